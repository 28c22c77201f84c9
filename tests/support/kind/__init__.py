"""A kind cluster for the end-to-end tests and for people: `make kind-up`, `make kind-load`, `make kind-down`.

Two questions decide how it comes up. Does a Docker daemon answer? If not, one from Debian sid is started in namespaces of its
own. Can kind's node image be pulled? If not, it is built from kind's own module, Go modules and Debian packages. All that was
made once lies in the cache (`paths.cache`) and is found again in seconds.
"""
