"""The page about a study: one HTML file that needs no network, made by `tacotrain report` and `tacotrain publish`.

    rows.read_study -> facts.Study -> figures, tables, media -> page.render -> report.html

Only `rows` and `importance` know Optuna. Everything between `facts` and `page` is a function of what it is given.
"""
