/* An SMTP reply: code, enhanced status code and lines (RFC 5321 section 4.2, RFC 2034, RFC 3463).
 *
 * Never a formatted string until it is written. Text lines are separated by '\n' and hold no CR, LF
 * or NUL. */
#pragma once

#include <glib.h>

#include "base/output.h"

#define BASE_REPLY_MAX_LINES 256      /* of one reply */
#define BASE_REPLY_ENHANCED_LENGTH 12 /* room for an enhanced code as text, the NUL included */
#define BASE_REPLY_MAX_LINE 4096      /* octets of one line of an upstream's or a filter's reply */

typedef struct
{
  guint16 code;        /* 200 to 599 */
  guint16 enhanced[3]; /* class, subject, detail; class 0: none */
  gchar *text;         /* lines separated by '\n'; NULL is one empty line; the reply's own, and
                          changed by base_reply_add_line() alone */
} BaseReply;

/* A constant reply, to be passed as `const BaseReply *` and never freed: BASE_REPLY (250, 2, 0, 0,
 * "Ok"). */
#define BASE_REPLY(code, class, subject, detail, text)                                             \
  ((const BaseReply[]){ { (code), { (class), (subject), (detail) }, (gchar *) (text) } })

BaseReply *base_reply_new (guint code, guint class, guint subject, guint detail, const gchar *text);
BaseReply *base_reply_printf (guint code, guint class, guint subject, guint detail,
                              const gchar *format, ...) G_GNUC_PRINTF (5, 6);
/* The text is the three put together. */
BaseReply *base_reply_join (guint code, guint class, guint subject, guint detail,
                            const gchar *before, const gchar *text, const gchar *behind);
BaseReply *base_reply_copy (const BaseReply *reply);
void base_reply_free (BaseReply *reply); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseReply, base_reply_free)

/* Adds a line of text behind the others. */
void base_reply_add_line (BaseReply *reply, const gchar *line);

static inline gboolean
base_reply_is_positive (const BaseReply *reply)
{
  return reply->code >= 200 && reply->code < 400;
}

/* Whether code, enhanced code and text can be sent: 200 <= code <= 599, the class agrees with the
 * code, no line too long, no control character in a line but TAB. Replies from filters and
 * upstreams are untrusted. */
gboolean base_reply_is_valid (const BaseReply *reply);

/* "250-first CRLF 250 last CRLF". With `enhanced`, each line carries the enhanced code if the reply
 * has one (RFC 2034 section 4: only 2xx, 4xx and 5xx). Line breaks inside the text can not get out:
 * they are the line separators. */
void base_reply_write (const BaseReply *reply, gboolean enhanced, BaseOutput *output);

/* Splits "5.7.1 text" into the enhanced code and the offset of the text. Returns 0 and zeros when
 * none is there. */
gsize base_reply_parse_enhanced (const gchar *text, gsize length, guint16 enhanced[3]);

/* "5.7.1"; empty when the reply has none. Returns the length. */
gsize base_reply_enhanced (const BaseReply *reply, gchar text[BASE_REPLY_ENHANCED_LENGTH]);

/* Appends one line for a log: "550 5.7.1 first / second". */
void base_reply_log (const BaseReply *reply, BaseBuffer *out);
/* The same. Caller frees. */
gchar *base_reply_to_string (const BaseReply *reply);
