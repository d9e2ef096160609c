/* Text for footers: what is compared, what is escaped, what is encoded. No message, no MIME tree.
 */
#pragma once

#include <glib.h>

/* What is left of a text for comparing: no white space, no quoting marks, and, of HTML, no tags,
 * with entities read. Caller frees. */
char *text_essence (const char *text, gboolean html);
/* Plain text as HTML. Caller frees. */
char *text_to_html (const char *text);
/* HTML in ASCII: other characters become numeric references. Caller frees. */
char *text_html_ascii (const char *html);
/* RFC 3676: lines that do not flow, with those stuffed that need it. Caller frees. */
char *text_flowed (const char *text);
/* Lines with CRLF for LF. Caller frees. */
char *text_crlf (const char *text);
/* In ASCII, as near as it can be. Caller frees. */
char *text_without_accents (const char *text);
gboolean text_is_ascii (const char *text, gsize length);

/* RFC 2045 section 6.7: octets with CRLF between lines. Caller frees. */
char *text_quote (const char *bytes, gsize length);
/* RFC 2045 section 6.8, in lines of 76, the last one with a CRLF too. Caller frees. */
char *text_base64 (const char *bytes, gsize length);
