/* Where each header field of a message starts, where its value starts and where it ends, in raw
 * bytes (RFC 5322 section 2.2).
 *
 * Works on a block of bytes that starts at the message's first byte; nothing is copied but the
 * offsets. Mail is odd: a line that is no field (no colon, a space in the name other than before
 * the colon, a control character or one beyond ASCII in it, no name at all) ends the header block,
 * as Postfix sees it; such a line is then the body's first. Others skip it and go on: see mend.h.
 * An mbox "From " line, or white space, at the very start leaves an empty block. Lines end with
 * CRLF or LF. */
#pragma once

#include <glib.h>

/* Octets before the colon; a line that has more of them is no field. Far over the 998 of RFC 5322:
 * what readers behind us take for a field, filters must see as one. */
#define MESSAGE_MAX_FIELD_NAME (1024 * 1024)

typedef struct
{
  guint32 start;       /* of the name */
  guint32 name_length; /* without trailing white space */
  guint32 value;       /* behind the colon; a leading space belongs to the value */
  guint32 end;         /* behind the field's last line break */
} MessageField;

typedef struct
{
  guint64 header_bytes; /* of the whole block */
  guint64 field_bytes;
  guint fields;
  guint64 address_field_bytes; /* From, To, Cc, … of facts about GMime's address parser */
  guint address_colons;
} MessageHeaderLimits;

#define MESSAGE_HEADER_LIMITS_DEFAULT                                                              \
  {                                                                                                \
    1024 * 1024, 64 * 1024, 1000, 32 * 1024, 100                                                   \
  }

typedef struct _MessageHeaders MessageHeaders;

/* Indexes the header block at the start of `bytes`. `complete`: no more bytes follow; else NULL
 * without an error means that the end of the header block is not in `bytes` yet. `bytes` is
 * borrowed for the life of the index. */
MessageHeaders *message_headers_scan (const guint8 *bytes, gsize length, gboolean complete);
void message_headers_free (MessageHeaders *headers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MessageHeaders, message_headers_free)

/* Finds the end of the header block without building an index, incrementally: `*scanned` is where
 * to go on (start with 0). Returns the offset of the body (behind the blank line, or of the first
 * line that is no field), or G_MAXSIZE while it is not there. */
gsize message_headers_find_end (const guint8 *bytes, gsize length, gsize *scanned);

typedef struct
{
  gsize scanned;
  guint received;   /* fields with the name Received */
  guint signatures; /* DKIM-Signature */
  guint spaced;     /* white space stands before the colon */
  gboolean closed;  /* the block has ended, with a blank line */
} MessageHeadersTally;

/* The same, counting on the way what is asked of each message; start with zeros. */
gsize message_headers_tally (const guint8 *bytes, gsize length, MessageHeadersTally *tally);

guint message_headers_count (const MessageHeaders *headers);
const MessageField *message_headers_nth (const MessageHeaders *headers, guint index);
/* The index of the `nth` (from 0) field with this name, any case; G_MAXUINT when there is none. */
guint message_headers_find (const MessageHeaders *headers, const gchar *name, guint nth);
guint message_headers_count_of (const MessageHeaders *headers, const gchar *name);
/* Where the fields end (the blank line, or what stands for it, starts here) and where the body
 * starts. */
gsize message_headers_end (const MessageHeaders *headers);
gsize message_headers_body (const MessageHeaders *headers);
/* Whether a line that is no field ended the block, in place of a blank line. */
gboolean message_headers_is_cut (const MessageHeaders *headers);

/* Copies; callers free. The raw value ends before the field's last line break; unfolded has each
 * CRLF before white space removed (RFC 5322 section 2.2.3) and is stripped at both ends. NULs can
 * not stand in it: see message_headers_check(). */
gchar *message_headers_name (const MessageHeaders *headers, guint index);
gchar *message_headers_raw_value (const MessageHeaders *headers, guint index);
gchar *message_headers_value (const MessageHeaders *headers, guint index);

typedef enum
{
  MESSAGE_HEADERS_FINE,
  MESSAGE_HEADERS_NUL,      /* in a field, or it is what makes a line no field and ends the block */
  MESSAGE_HEADERS_TOO_LONG, /* the block or one field */
  MESSAGE_HEADERS_TOO_MANY, /* fields */
  MESSAGE_HEADERS_ADDRESSES /* an address field is too long or too deep */
} MessageHeadersProblem;

/* The first problem, and in `field` its index (G_MAXUINT: the whole block). */
MessageHeadersProblem message_headers_check (const MessageHeaders *headers,
                                             const MessageHeaderLimits *limits, guint *field);
