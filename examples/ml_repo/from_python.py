"""The same from Python, without an application: for notebooks and other tools."""

from lakebox import load_config, run

report = run(load_config("limit=1", config_dir="conf", config_name="lanes_v3"))
assert report.ok, report.failures
print(report.plan, "->", report.dataset.path, report.dataset.version)
