import time
from support.tiny import *
pytest_plugins = ["support.tiny_fixtures"]
def test_a(project, lake):

    check_frames(lake)
    print(columns(lake)); c = read_cells(lake); print(c["row0:2"])
    t=time.time(); r = sync(project, lake); print(time.time()-t, r.as_dict())
    t=time.time(); r = sync(project, str(lake)+"2"); print(time.time()-t, r.as_dict())
    print(differences(read_cells(str(lake)+"2"), c), len(c))
    print(history(lake))
