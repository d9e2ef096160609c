/* Indexes a header block in raw bytes. Any bytes can be indexed: what is no field ends the block,
 * so nothing here fails; whether the block is within its limits is asked of
 * message_headers_check(). */
#include "message/headers.h"

#include <string.h>

#include "message/headers-private.h"

#define USUAL_FIELDS 32

typedef enum
{
  LINE_UNDECIDED, /* more bytes are needed */
  LINE_FIELD,
  LINE_CONTINUATION,
  LINE_BLANK,
  LINE_OTHER /* no field: the body starts here */
} LineKind;

static gboolean
is_blank (guint8 c)
{
  return c == ' ' || c == '\t';
}

/* Printable ASCII (RFC 5322 section 2.2; RFC 6532 leaves names as they were). */
static const guint8 name_octets[256] = { ['!' ... '9'] = TRUE, [';' ... '~'] = TRUE };

/* What the line at the start of `bytes` is, from as few of its bytes as decide it. `*name`: the
 * length of a field's name, and
 * `*colon` where its colon stands. */
static LineKind
classify (const guint8 *bytes, gsize length, gboolean complete, gsize *name, gsize *colon)
{
  gsize at = 0;

  if (length == 0)
    return LINE_UNDECIDED;
  if (bytes[0] == '\n')
    return LINE_BLANK;
  if (bytes[0] == '\r' && length == 1)
    return complete ? LINE_OTHER : LINE_UNDECIDED;
  if (bytes[0] == '\r')
    return bytes[1] == '\n' ? LINE_BLANK : LINE_OTHER;
  if (is_blank (bytes[0]))
    return LINE_CONTINUATION;
  gsize most = MIN (length, MESSAGE_MAX_FIELD_NAME + 1);
  while (at < most && name_octets[bytes[at]])
    at++;
  *name = at;
  if (at == 0 || at > MESSAGE_MAX_FIELD_NAME)
    return LINE_OTHER;
  while (at < length && at <= MESSAGE_MAX_FIELD_NAME && is_blank (bytes[at]))
    at++;
  *colon = at;
  if (at == length && !complete)
    return LINE_UNDECIDED;
  return at < length && bytes[at] == ':' ? LINE_FIELD : LINE_OTHER;
}

/* Behind the line break of the line that goes on at `at`; G_MAXSIZE: it is not there. */
static gsize
line_end (const guint8 *bytes, gsize length, gsize at)
{
  const guint8 *lf = at < length ? memchr (bytes + at, '\n', length - at) : NULL;

  return lf == NULL ? G_MAXSIZE : (gsize) (lf - bytes) + 1;
}

static void
count_field (const guint8 *field, gsize name, gsize colon, MessageHeadersTally *tally)
{
  const gchar *text = (const gchar *) field;

  if (name == strlen ("Received"))
    tally->received += g_ascii_strncasecmp (text, "Received", name) == 0;
  if (name == strlen ("DKIM-Signature"))
    tally->signatures += g_ascii_strncasecmp (text, "DKIM-Signature", name) == 0;
  tally->spaced += colon > name;
}

gsize
message_headers_tally (const guint8 *bytes, gsize length, MessageHeadersTally *tally)
{
  while (tally->scanned < length)
    {
      gsize at = tally->scanned;
      gsize name;
      gsize colon;
      /* In the middle of a line that was decided before, only its end is looked for. */
      if (at == 0 || bytes[at - 1] == '\n')
        {
          LineKind kind = classify (bytes + at, length - at, FALSE, &name, &colon);
          if (kind == LINE_UNDECIDED)
            return G_MAXSIZE;
          tally->closed = kind == LINE_BLANK;
          if (kind == LINE_BLANK)
            return at + (bytes[at] == '\r' ? 2 : 1);
          if (kind == LINE_OTHER || (kind == LINE_CONTINUATION && at == 0))
            return at;
          if (kind == LINE_FIELD)
            count_field (bytes + at, name, colon, tally);
        }
      gsize end = line_end (bytes, length, at);
      tally->scanned = MIN (end, length);
    }
  return G_MAXSIZE;
}

gsize
message_headers_find_end (const guint8 *bytes, gsize length, gsize *scanned)
{
  MessageHeadersTally tally = { .scanned = *scanned };
  gsize end = message_headers_tally (bytes, length, &tally);

  *scanned = tally.scanned;
  return end;
}

static void
add_field (MessageHeaders *headers, gsize start, gsize name, gsize colon)
{
  MessageField field = { (guint32) start, (guint32) name, (guint32) (start + colon + 1), 0 };

  g_array_append_val (headers->fields, field);
}

/* Reads line after line; FALSE: the block's end is not in the bytes. */
static gboolean
scan (MessageHeaders *headers, gsize length, gboolean complete)
{
  const guint8 *bytes = headers->bytes;
  gsize at = 0;

  while (at < length)
    {
      gsize name = 0;
      gsize colon = 0;
      LineKind kind = classify (bytes + at, length - at, complete, &name, &colon);
      if (kind == LINE_UNDECIDED)
        return FALSE;
      headers->end = at;
      headers->body = at;
      if (kind == LINE_BLANK)
        headers->body = at + (bytes[at] == '\r' ? 2 : 1);
      if (kind == LINE_BLANK || kind == LINE_OTHER || (kind == LINE_CONTINUATION && at == 0))
        return TRUE;
      if (kind == LINE_FIELD)
        add_field (headers, at, name, colon);
      at = line_end (bytes, length, at);
      if (at == G_MAXSIZE && !complete)
        return FALSE;
      at = MIN (at, length);
      g_array_index (headers->fields, MessageField, headers->fields->len - 1).end = (guint32) at;
    }
  headers->end = at;
  headers->body = at;
  return complete;
}

MessageHeaders *
message_headers_scan (const guint8 *bytes, gsize length, gboolean complete)
{
  g_autoptr (MessageHeaders) headers = g_new (MessageHeaders, 1);

  *headers = (MessageHeaders){ .bytes = bytes, .length = length };
  headers->fields = g_array_sized_new (FALSE, FALSE, sizeof (MessageField), USUAL_FIELDS);
  /* Offsets have 32 bits: a block of more than 4 GB is cut there, far beyond any limit that is
   * checked. */
  if (!scan (headers, MIN (length, G_MAXUINT32), complete || length > G_MAXUINT32))
    return NULL;
  return g_steal_pointer (&headers);
}

void
message_headers_free (MessageHeaders *headers)
{
  if (headers == NULL)
    return;
  g_array_unref (headers->fields);
  g_free (headers);
}

guint
message_headers_count (const MessageHeaders *headers)
{
  return headers->fields->len;
}

const MessageField *
message_headers_nth (const MessageHeaders *headers, guint index)
{
  return &g_array_index (headers->fields, MessageField, index);
}

static gboolean
is_named (const MessageHeaders *headers, guint index, const gchar *name, gsize length)
{
  const MessageField *field = message_headers_nth (headers, index);

  return field->name_length == length
         && g_ascii_strncasecmp ((const gchar *) headers->bytes + field->start, name, length) == 0;
}

guint
message_headers_find (const MessageHeaders *headers, const gchar *name, guint nth)
{
  gsize length = strlen (name);

  for (guint i = 0; i < headers->fields->len; i++)
    if (is_named (headers, i, name, length) && nth-- == 0)
      return i;
  return G_MAXUINT;
}

guint
message_headers_count_of (const MessageHeaders *headers, const gchar *name)
{
  gsize length = strlen (name);
  guint count = 0;

  for (guint i = 0; i < headers->fields->len; i++)
    count += is_named (headers, i, name, length);
  return count;
}

gboolean
message_headers_is_cut (const MessageHeaders *headers)
{
  return headers->end == headers->body && headers->end < headers->length;
}

gsize
message_headers_end (const MessageHeaders *headers)
{
  return headers->end;
}

gsize
message_headers_body (const MessageHeaders *headers)
{
  return headers->body;
}

gchar *
message_headers_name (const MessageHeaders *headers, guint index)
{
  const MessageField *field = message_headers_nth (headers, index);

  return g_strndup ((const gchar *) headers->bytes + field->start, field->name_length);
}

gchar *
message_headers_raw_value (const MessageHeaders *headers, guint index)
{
  const MessageField *field = message_headers_nth (headers, index);
  gsize end = field->end;

  if (end > field->value && headers->bytes[end - 1] == '\n')
    end--;
  if (end > field->value && end < field->end && headers->bytes[end - 1] == '\r')
    end--;
  return g_strndup ((const gchar *) headers->bytes + field->value, end - field->value);
}

gchar *
message_headers_value (const MessageHeaders *headers, guint index)
{
  gchar *value = message_headers_raw_value (headers, index);
  gchar *to = value;

  /* Inside a field each line break stands before white space, else it would have ended the field.
   */
  for (const gchar *from = value; *from != '\0'; from++)
    if (*from != '\n' && !(from[0] == '\r' && from[1] == '\n'))
      *to++ = *from;
  *to = '\0';
  return g_strstrip (value);
}
