/* Reads an SMTP server's replies out of a stream of bytes (RFC 5321 section 4.2). What it reads is
 * untrusted: every size has a limit, and whatever breaks a rule is a fault with a text that names
 * it; nothing is guessed and nothing repaired, but for a bare LF, which ends a line as CRLF does,
 * because some old servers send it and it can split nothing here. */
#pragma once

#include <glib.h>

#include "base/buffer.h"
#include "base/reply.h"

#define SMTP_REPLY_MAX_OCTETS 65536 /* of one reply, all its lines with their line ends */
/* Octets of a line of a challenge, without its CRLF (RFC 4954 section 4); any other line has at
 * most BASE_REPLY_MAX_LINE. */
#define SMTP_REPLY_MAX_CHALLENGE (12288 - 2)

typedef enum
{
  SMTP_REPLY_MORE,     /* needs more bytes */
  SMTP_REPLY_COMPLETE, /* `reply` is there */
  SMTP_REPLY_FAULT     /* `fault` says why; nothing more can be read */
} SmtpReplyStatus;

typedef struct
{
  BaseBuffer kept;   /* copied by _settle: bytes that came before those of `fed` */
  const guint8 *fed; /* borrowed */
  gsize fed_length;
  BaseBuffer text;      /* of the reply that is being read, or was handed out last */
  gsize octets;         /* of the reply that is being read */
  guint16 lines;        /* of the reply that is being read; 0 between replies */
  gboolean is_auth : 1; /* set by the owner: AUTH is open, so a 334 is a challenge */
  BaseReply reply;      /* that is being read, or was handed out last */
} SmtpReplyReader;

/* All zeros is an empty reader. Frees what it holds; it may be used again as an empty one. */
void smtp_reply_reader_clear (SmtpReplyReader *reader);

/* Borrows `bytes` until _settle, which copies what was not read. */
void smtp_reply_reader_feed (SmtpReplyReader *reader, const guint8 *bytes, gsize length);
void smtp_reply_reader_settle (SmtpReplyReader *reader);

/* Takes the next whole reply. COMPLETE: `*reply` is the reader's, until the next call or _clear;
 * its text holds no control character but TAB (each became a '?'), octets over 127 as they came.
 * FAULT:
 * `*fault` is a text without control characters; the caller frees it. */
SmtpReplyStatus smtp_reply_reader_next (SmtpReplyReader *reader, const BaseReply **reply,
                                        gchar **fault);

/* Whether a byte is there that belongs to no reply handed out yet. */
static inline gboolean
smtp_reply_reader_has_unread (const SmtpReplyReader *reader)
{
  return base_buffer_length (&reader->kept) > 0 || reader->fed_length > 0 || reader->lines > 0;
}
