-- An Lmod module: copy it to MODULEPATH/yoda/0.2.0.lua and name the folder that `cmake --install --prefix` filled.
-- Not run here.
help([[Yoda: an Event Service for supercomputers. yoda is the MPI job, harvest feeds and drains it.]])
whatis("Name: yoda")
whatis("Version: 0.2.0")
local prefix = "/path/to/yoda"
prepend_path("PATH", pathJoin(prefix, "bin"))
prepend_path("PYTHONPATH", pathJoin(prefix, "lib/python3/dist-packages"))
prepend_path("CMAKE_PREFIX_PATH", prefix)
prepend_path("PKG_CONFIG_PATH", pathJoin(prefix, "lib/pkgconfig"))
