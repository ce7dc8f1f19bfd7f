/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the configuration files, in the peer's layout: four blanks a level, one element a line. */
#ifndef RENDER_XML_H
#define RENDER_XML_H

#include <stdint.h>

#include "base/str.h"
#include "model/settings.h"

struct xml {
    struct str out;
    unsigned depth;
    bool compact; /* no indentation, no line ends between elements */
};
#define XML_INIT {STR_INIT, 0, false}

void xml_open(struct xml *x, const char *tag);
void xml_close(struct xml *x, const char *tag);
void xml_text(struct xml *x, const char *tag, const char *value); /* escaped */
void xml_int(struct xml *x, const char *tag, int64_t value);
void xml_line(struct xml *x, const char *raw); /* as it is */

/* Poco, which reads the files, knows fewer spellings of yes and no than a resource may have: the text itself when it is one of
 * them, else "True" or "False". */
const char *xml_bool(const char *text);

/* All settings as nested elements. */
void xml_settings(struct xml *x, const struct settings *s);
/* <root>[<section>]…[</section>]</root>, or NULL for no settings. Caller frees. */
char *xml_settings_file(const struct settings *s, const char *section);

/* Text for an element: &, < and > are escaped, but what is a well-formed piece of XML with elements or entities in it stays
 * as it is, because users of the peer (which escapes nothing) wrote it so. */
void xml_escape(struct str *out, const char *value);

#endif
