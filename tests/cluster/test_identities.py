"""Tests can act as somebody, and RBAC decides what that one may do."""

from pathlib import Path

from support.api_server import ApiServer, Object
from support.control_plane import ControlPlane
from support.eventually import eventually
from support.service_accounts import service_account_kubeconfig

WHO: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
STUDIES = "/apis/tacotune.dev/v1alpha1/namespaces/{}/ttsstudies"


def name_of(api: ApiServer) -> str:
    user: str = api.create(WHO).body["status"]["userInfo"]["username"]
    return user


def test_a_service_account_may_do_what_its_role_says(api: ApiServer, namespace: str, tmp_path: Path) -> None:
    account = ApiServer(service_account_kubeconfig(api, namespace, "default", tmp_path / "kubeconfig"))
    assert name_of(account) == f"system:serviceaccount:{namespace}:default"
    studies = STUDIES.format(namespace)
    assert account.request("GET", studies).code == 403
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "reader"},
            "rules": [{"apiGroups": ["tacotune.dev"], "resources": ["ttsstudies"], "verbs": ["list"]}],
        },
        namespace,
    )
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        },
        namespace,
    )
    # The authorizer hears of it a moment later.
    eventually(lambda: account.request("GET", studies).code == 200)
    assert account.request("DELETE", studies).code == 403


def test_a_certificate_is_a_user_without_rights(control_plane: ControlPlane, api: ApiServer) -> None:
    user = ApiServer(control_plane.kubeconfig_of("somebody", ["people"]))
    assert name_of(user) == "somebody"
    assert user.request("GET", STUDIES.format("default")).code == 403
