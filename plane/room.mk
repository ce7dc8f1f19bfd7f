# SPDX-License-Identifier: Apache-2.0
# The API server's half of this room; controllers and node agent are in node.mk.
bin_PROGRAMS += chfleet-plane
chfleet_plane_SOURCES = plane/main.c
chfleet_plane_LDADD = libplanenode.a libplane.a $(XML_LIBS) $(LIBS_PLANE)

noinst_LIBRARIES += libplane.a
libplane_a_SOURCES = \
	plane/api.c plane/api.h plane/api_priv.h \
	plane/api_discovery.c \
	plane/api_event.c \
	plane/api_object.c \
	plane/api_openapi.c \
	plane/api_pod.c \
	plane/api_table.c \
	plane/api_watch.c \
	plane/controllers.h plane/plane.h plane/runtime.h \
	plane/custom.c plane/custom.h \
	plane/defaults.c plane/rules.h \
	plane/forward.c \
	plane/gc.c \
	plane/http.c plane/http.h \
	plane/kinds.c plane/kinds.h \
	plane/normalize.c \
	plane/patch.c \
	plane/program.c plane/program.h \
	plane/proto.c plane/proto.h \
	plane/selector.c plane/selector.h \
	plane/server.c plane/server.h plane/server_priv.h \
	plane/spdy.c plane/spdy.h \
	plane/store.c plane/store.h plane/store_priv.h \
	plane/store_db.c \
	plane/store_write.c \
	plane/stream.c \
	plane/tls.c plane/tls.h \
	plane/types.c plane/types.h \
	plane/validate.c \
	plane/ws.c plane/ws.h
LIBS_PLANE = libschema.a $(EVENTSSL_LIBS) $(EVENT_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(ZLIB_LIBS) $(LIBS_BASE)
