/* Decoding as a lenient mail program does it, where GMime hides what follows a padding; and making
 * text parts. Own code because GMime's base64 decoder stops at the first '=' and its header decoder
 * drops the encoded-word behind a padded one. */
#pragma once

#include <glib.h>

struct _GMimePart;

/* The decoded content of a leaf; NULL: it has none. A byte that is no base64 is skipped; padding
 * ends a group, not the content. */
GBytes *mime_decode_part (struct _GMimePart *part);
/* The same for bytes. */
GBytes *mime_decode_base64 (const guint8 *bytes, gsize length);
/* Encoded-words (RFC 2047) decoded one at a time, white space between two of them dropped; always
 * valid UTF-8. Caller frees. */
gchar *mime_decode_words (const gchar *value);
/* A text/plain entity in UTF-8: Content-* fields, blank line, body with CRLF, 7bit or
 * quoted-printable. Caller frees. */
gchar *mime_text_entity (const gchar *text);
