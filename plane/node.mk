# The controllers, the node agent, the programs and the shim. The API server's half of this room is in room.mk.
bin_PROGRAMS += chfleet-shim
chfleet_shim_SOURCES = plane/shim_main.c plane/shim_run.c plane/shim_run.h plane/shim_log.c plane/shim_serve.c \
	plane/shim_files.c plane/shim.h
chfleet_shim_LDADD = libbase.a

noinst_LIBRARIES += libplanenode.a
libplanenode_a_SOURCES = \
	plane/shim_files.c plane/shim_client.c plane/shim.h
