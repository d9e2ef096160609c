/* The reader of SMTP replies: lines out of bytes, replies out of lines. It fails with a text for
 * its caller to report. */
#include "smtp/client-reply.h"

#include <string.h>

#define LONGEST_QUOTE 80 /* octets of an offending line that a fault shows */

void
smtp_reply_reader_clear (SmtpReplyReader *reader)
{
  base_buffer_clear (&reader->kept);
  base_buffer_clear (&reader->text);
  memset (reader, 0, sizeof *reader);
}

void
smtp_reply_reader_feed (SmtpReplyReader *reader, const guint8 *bytes, gsize length)
{
  g_assert (reader->fed_length == 0);
  reader->fed = bytes;
  reader->fed_length = length;
}

void
smtp_reply_reader_settle (SmtpReplyReader *reader)
{
  if (reader->fed_length > 0)
    base_buffer_append (&reader->kept, reader->fed, reader->fed_length);
  reader->fed = NULL;
  reader->fed_length = 0;
}

static gboolean
is_control (gchar c)
{
  return (guchar) c == 0x7f || ((guchar) c < 0x20 && c != '\t');
}

static void
append_clean (BaseBuffer *text, const gchar *bytes, gsize length)
{
  guint8 *at = base_buffer_reserve (text, length);

  for (gsize i = 0; i < length; i++)
    at[i] = is_control (bytes[i]) ? '?' : (guint8) bytes[i];
  base_buffer_commit (text, length);
}

static SmtpReplyStatus
line_fault (gchar **fault, const gchar *what, const gchar *line, gsize length)
{
  BaseBuffer text = BASE_BUFFER_INIT;

  base_buffer_append_string (&text, what);
  base_buffer_append_string (&text, ": \"");
  append_clean (&text, line, MIN (length, LONGEST_QUOTE));
  base_buffer_append_string (&text, length > LONGEST_QUOTE ? "…\"" : "\"");
  base_buffer_append (&text, "", 1);
  *fault = (gchar *) text.data;
  return SMTP_REPLY_FAULT;
}

/* 0: no code. 1yz exists in no SMTP (RFC 5321 section 4.2.1). */
static guint16
parse_code (const gchar *line, gsize length)
{
  if (length < 3 || !g_ascii_isdigit (line[0]) || !g_ascii_isdigit (line[1])
      || !g_ascii_isdigit (line[2]))
    return 0;
  if (line[0] < '2' || line[0] > '5')
    return 0;
  if (length > 3 && line[3] != ' ' && line[3] != '-')
    return 0;
  return g_ascii_digit_value (line[0]) * 100 + g_ascii_digit_value (line[1]) * 10
         + g_ascii_digit_value (line[2]);
}

/* The enhanced code of the first line is the reply's; RFC 2034 section 4 has each further line
 * repeat it. One that does not fit the code, or is another than the first line's, is text. Returns
 * how much of the line is the code. */
static gsize
take_enhanced (SmtpReplyReader *reader, const gchar *text, gsize length)
{
  guint16 enhanced[3] = { 0, 0, 0 };
  gsize used = base_reply_parse_enhanced (text, length, enhanced);
  BaseReply *reply = &reader->reply;

  if (used == 0 || enhanced[0] != reply->code / 100)
    return 0;
  if (reader->lines == 1)
    memcpy (reply->enhanced, enhanced, sizeof enhanced);
  return memcmp (reply->enhanced, enhanced, sizeof enhanced) == 0 ? used : 0;
}

static SmtpReplyStatus
check_line (SmtpReplyReader *reader, const gchar *line, gsize length, guint16 code, gchar **fault)
{
  if (code == 0)
    return line_fault (fault, "malformed reply", line, length);
  if (reader->lines > 0 && code != reader->reply.code)
    return line_fault (fault, "the code changed within a reply", line, length);
  if (reader->lines == BASE_REPLY_MAX_LINES)
    return line_fault (fault, "a reply of too many lines", line, length);
  if (reader->octets > SMTP_REPLY_MAX_OCTETS)
    return line_fault (fault, "a reply of too many octets", line, length);
  return SMTP_REPLY_MORE;
}

/* What is left of the reply before goes; the text of a long one with its memory. */
static void
begin_reply (SmtpReplyReader *reader, guint16 code)
{
  base_buffer_skip (&reader->text, base_buffer_length (&reader->text));
  reader->reply = (BaseReply){ .code = code };
}

static const BaseReply *
finish_reply (SmtpReplyReader *reader)
{
  gboolean empty = base_buffer_length (&reader->text) == 0;

  base_buffer_append (&reader->text, "", 1);
  reader->reply.text = empty ? NULL : (gchar *) base_buffer_bytes (&reader->text);
  reader->octets = 0;
  reader->lines = 0;
  return &reader->reply;
}

static gsize
longest_line (const SmtpReplyReader *reader, const gchar *line, gsize length)
{
  gboolean challenge = reader->is_auth && length >= 3 && memcmp (line, "334", 3) == 0;

  return challenge ? SMTP_REPLY_MAX_CHALLENGE : BASE_REPLY_MAX_LINE;
}

/* One line with its line end. */
static SmtpReplyStatus
read_line (SmtpReplyReader *reader, const gchar *line, gsize length, const BaseReply **reply,
           gchar **fault)
{
  guint16 code;

  reader->octets += length;
  length--;
  if (length > 0 && line[length - 1] == '\r')
    length--;
  if (length > longest_line (reader, line, length))
    return line_fault (fault, "a reply line too long", line, length);
  code = parse_code (line, length);
  if (check_line (reader, line, length, code, fault) == SMTP_REPLY_FAULT)
    return SMTP_REPLY_FAULT;

  if (reader->lines++ == 0)
    begin_reply (reader, code);
  else
    base_buffer_append (&reader->text, "\n", 1);
  if (length > 4)
    {
      gsize used = take_enhanced (reader, line + 4, length - 4);
      append_clean (&reader->text, line + 4 + used, length - 4 - used);
    }
  if (length > 3 && line[3] == '-')
    return SMTP_REPLY_MORE;
  *reply = finish_reply (reader);
  return SMTP_REPLY_COMPLETE;
}

/* No line end is in sight: with its CR still to come, a line may be one octet longer than allowed.
 */
static SmtpReplyStatus
check_partial (const SmtpReplyReader *reader, const guint8 *bytes, gsize length, gchar **fault)
{
  const gchar *line = (const gchar *) bytes;

  if (length <= longest_line (reader, line, length) + 1)
    return SMTP_REPLY_MORE;
  return line_fault (fault, "a reply line too long", line, length);
}

static SmtpReplyStatus
read_fed_line (SmtpReplyReader *reader, const BaseReply **reply, gchar **fault)
{
  const guint8 *line = reader->fed;
  const guint8 *end = reader->fed_length > 0 ? memchr (line, '\n', reader->fed_length) : NULL;
  gsize length;

  if (end == NULL)
    return check_partial (reader, line, reader->fed_length, fault);
  length = end + 1 - line;
  reader->fed += length;
  reader->fed_length -= length;
  return read_line (reader, (const gchar *) line, length, reply, fault);
}

/* Keeps what was fed, up to the first line end. Returns whether there was one. */
static gboolean
keep_to_line_end (SmtpReplyReader *reader)
{
  const guint8 *end = NULL;
  gsize taken;

  if (reader->fed_length == 0)
    return FALSE;
  end = memchr (reader->fed, '\n', reader->fed_length);
  taken = end != NULL ? (gsize) (end + 1 - reader->fed) : reader->fed_length;
  base_buffer_append (&reader->kept, reader->fed, taken);
  reader->fed += taken;
  reader->fed_length -= taken;
  return end != NULL;
}

/* The line's first bytes were kept; its end may be kept as well, or be found in what was fed. */
static SmtpReplyStatus
read_kept_line (SmtpReplyReader *reader, const BaseReply **reply, gchar **fault)
{
  const guint8 *kept = base_buffer_bytes (&reader->kept);
  gsize length = base_buffer_length (&reader->kept);
  const guint8 *end = memchr (kept, '\n', length);
  SmtpReplyStatus status;

  if (end == NULL)
    {
      if (!keep_to_line_end (reader))
        return check_partial (reader, base_buffer_bytes (&reader->kept),
                              base_buffer_length (&reader->kept), fault);
      kept = base_buffer_bytes (&reader->kept);
      end = kept + base_buffer_length (&reader->kept) - 1;
    }
  length = end + 1 - kept;
  status = read_line (reader, (const gchar *) kept, length, reply, fault);
  base_buffer_consume (&reader->kept, length);
  return status;
}

SmtpReplyStatus
smtp_reply_reader_next (SmtpReplyReader *reader, const BaseReply **reply, gchar **fault)
{
  SmtpReplyStatus status = SMTP_REPLY_MORE;

  while (status == SMTP_REPLY_MORE
         && (base_buffer_length (&reader->kept) > 0 || reader->fed_length > 0))
    {
      gsize before = base_buffer_length (&reader->kept) + reader->fed_length;

      if (base_buffer_length (&reader->kept) > 0)
        status = read_kept_line (reader, reply, fault);
      else
        status = read_fed_line (reader, reply, fault);
      if (before == base_buffer_length (&reader->kept) + reader->fed_length)
        return status;
    }
  return status;
}
