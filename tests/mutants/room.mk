# SPDX-License-Identifier: Apache-2.0
# For tests/mutants/*.sh: the programs test-NAME of MUTANT_TESTS, with MUTANT_SOURCES instead of the files of that content.
mutant: $(addprefix test-,$(MUTANT_TESTS))
	@for s in $(MUTANT_SOURCES); do $(COMPILE) -Wno-error -w -c $$s -o $${s%.c}.o || exit 1; done
	@set -e; $(foreach t,$(MUTANT_TESTS),$(or $($(subst -,_,test-$(t))_LINK),$(LINK)) -o $(MUTANT_DIR)/$(t) \
		$($(subst -,_,test-$(t))_OBJECTS) $(MUTANT_SOURCES:.c=.o) $($(subst -,_,test-$(t))_LDADD) >/dev/null;) :
.PHONY: mutant
