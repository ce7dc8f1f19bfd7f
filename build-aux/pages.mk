# SPDX-License-Identifier: Apache-2.0
# Manual pages and shell completion, made from the programs' own tables when they are built, so that they cannot lag.
noinst_PROGRAMS += print-pages
print_pages_SOURCES = build-aux/print_pages.c
print_pages_LDADD = libexporter.a libsupervisor.a libplane.a $(LIBS_CLI) $(ZLIB_LIBS)

PAGES = man/chfleet.1 man/chfleetd.8 man/chfleet-exporter.8 man/chfleet-plane.8
nodist_man_MANS = $(PAGES)
bashcompdir = $(datadir)/bash-completion/completions
nodist_bashcomp_DATA = man/chfleet
zshcompdir = $(datadir)/zsh/vendor-completions
nodist_zshcomp_DATA = man/_chfleet
CLEANFILES += $(PAGES) man/chfleet man/_chfleet
print_page = @$(MKDIR_P) man && ./print-pages

man/chfleet.1: print-pages
	$(print_page) chfleet > $@.tmp && mv $@.tmp $@
man/chfleetd.8: print-pages
	$(print_page) chfleetd > $@.tmp && mv $@.tmp $@
man/chfleet-exporter.8: print-pages
	$(print_page) chfleet-exporter > $@.tmp && mv $@.tmp $@
man/chfleet-plane.8: print-pages
	$(print_page) chfleet-plane > $@.tmp && mv $@.tmp $@
man/chfleet: print-pages
	$(print_page) bash > $@.tmp && mv $@.tmp $@
man/_chfleet: print-pages
	$(print_page) zsh > $@.tmp && mv $@.tmp $@

# kubectl-chfleet is chfleet.
install-data-hook:
	cd $(DESTDIR)$(man1dir) && rm -f kubectl-chfleet.1 && $(LN_S) chfleet.1 kubectl-chfleet.1
