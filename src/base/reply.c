/* SMTP replies (RFC 5321 section 4.2). Whatever text they were made of, what is written is
 * well-formed: no control character of a text reaches the wire. Replies from outside are judged by
 * base_reply_is_valid(), which never aborts. */
#include "base/reply.h"

#include <string.h>

#define PREFIX_LENGTH (BASE_REPLY_ENHANCED_LENGTH + 8) /* "250 2.1.0 " */

/* The text stands behind the struct, in the same block, until another one is put in its place. */
static BaseReply *
new_with_room (guint code, guint class, guint subject, guint detail, gsize length)
{
  BaseReply *reply = g_malloc (sizeof *reply + length + 1);

  reply->code = (guint16) code;
  reply->enhanced[0] = (guint16) class;
  reply->enhanced[1] = (guint16) subject;
  reply->enhanced[2] = (guint16) detail;
  reply->text = (gchar *) (reply + 1);
  return reply;
}

BaseReply *
base_reply_new (guint code, guint class, guint subject, guint detail, const gchar *text)
{
  gsize length = text == NULL ? 0 : strlen (text);
  BaseReply *reply = new_with_room (code, class, subject, detail, length);

  if (text == NULL)
    reply->text = NULL;
  else
    memcpy (reply->text, text, length + 1);
  return reply;
}

BaseReply *
base_reply_printf (guint code, guint class, guint subject, guint detail, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  return base_reply_new (code, class, subject, detail, text);
}

BaseReply *
base_reply_join (guint code, guint class, guint subject, guint detail, const gchar *before,
                 const gchar *text, const gchar *behind)
{
  gsize length = strlen (before) + strlen (text) + strlen (behind);
  BaseReply *reply = new_with_room (code, class, subject, detail, length);

  stpcpy (stpcpy (stpcpy (reply->text, before), text), behind);
  return reply;
}

BaseReply *
base_reply_copy (const BaseReply *reply)
{
  return base_reply_new (reply->code, reply->enhanced[0], reply->enhanced[1], reply->enhanced[2],
                         reply->text);
}

static void
free_text (BaseReply *reply)
{
  if (reply->text != (gchar *) (reply + 1))
    g_free (reply->text);
}

void
base_reply_free (BaseReply *reply)
{
  if (reply == NULL)
    return;
  free_text (reply);
  g_free (reply);
}

void
base_reply_add_line (BaseReply *reply, const gchar *line)
{
  gchar *text = reply->text == NULL ? g_strdup (line) : g_strconcat (reply->text, "\n", line, NULL);

  free_text (reply);
  reply->text = text;
}

static gboolean
is_control (guchar c)
{
  return (c < 0x20 && c != '\t') || c == 0x7f;
}

static gboolean
text_is_valid (const gchar *text)
{
  guint lines = 1;
  gsize length = 0;

  for (const gchar *p = text; *p != '\0'; p++)
    {
      length = *p == '\n' ? 0 : length + 1;
      lines += *p == '\n';
      if (length > BASE_REPLY_MAX_LINE || lines > BASE_REPLY_MAX_LINES)
        return FALSE;
      if (*p != '\n' && is_control ((guchar) *p))
        return FALSE;
    }
  return TRUE;
}

gboolean
base_reply_is_valid (const BaseReply *reply)
{
  guint class = reply->enhanced[0];

  if (reply->code < 200 || reply->code > 599)
    return FALSE;
  if (class != 0 && (class != reply->code / 100u || class == 3))
    return FALSE;
  /* RFC 3463 section 2: subject and detail have up to three digits. */
  if (reply->enhanced[1] > 999 || reply->enhanced[2] > 999)
    return FALSE;
  return reply->text == NULL || text_is_valid (reply->text);
}

/* Text for the wire; a TAB may stay (RFC 5321 section 4.2), other control characters become
 * spaces. */
static void
put_text (guint8 *at, const gchar *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    at[i] = is_control ((guchar) text[i]) ? ' ' : (guint8) text[i];
}

/* Whether the lines carry the enhanced code: RFC 2034 section 4 has it in 2xx, 4xx and 5xx replies
 * only. */
static gboolean
carries_enhanced (const BaseReply *reply, gboolean enhanced)
{
  return enhanced && reply->enhanced[0] != 0 && reply->code / 100 != 3;
}

static gchar *
put_number (gchar *at, guint number)
{
  if (number >= 100)
    *at++ = (gchar) ('0' + number / 100 % 10);
  if (number >= 10)
    *at++ = (gchar) ('0' + number / 10 % 10);
  *at++ = (gchar) ('0' + number % 10);
  return at;
}

gsize
base_reply_enhanced (const BaseReply *reply, gchar text[BASE_REPLY_ENHANCED_LENGTH])
{
  gchar *at = text;

  for (guint i = 0; i < 3 && reply->enhanced[0] != 0; i++)
    {
      if (i > 0)
        *at++ = '.';
      at = put_number (at, reply->enhanced[i]);
    }
  *at = '\0';
  return (gsize) (at - text);
}

static gsize
format_prefix (const BaseReply *reply, gboolean enhanced, gchar prefix[PREFIX_LENGTH])
{
  gchar *at = put_number (prefix, reply->code);

  *at++ = ' ';
  if (carries_enhanced (reply, enhanced))
    {
      at += base_reply_enhanced (reply, at);
      *at++ = ' ';
    }
  *at = '\0';
  return (gsize) (at - prefix);
}

void
base_reply_write (const BaseReply *reply, gboolean enhanced, BaseOutput *output)
{
  gchar prefix[PREFIX_LENGTH];
  gsize length = format_prefix (reply, enhanced, prefix);
  const gchar *line = reply->text == NULL ? "" : reply->text;

  while (TRUE)
    {
      const gchar *end = strchrnul (line, '\n');
      gsize text = (gsize) (end - line);
      guint8 *at = base_output_reserve (output, length + text + 2);
      prefix[3] = *end == '\n' ? '-' : ' ';
      memcpy (at, prefix, length);
      put_text (at + length, line, text);
      memcpy (at + length + text, "\r\n", 2);
      base_output_commit (output, length + text + 2);
      if (*end == '\0')
        return;
      line = end + 1;
    }
}

/* One to three digits without a leading zero, so that what is parsed is written again as it came.
 */
static gsize
parse_number (const gchar *text, gsize length, guint16 *number)
{
  gsize used = 0;

  *number = 0;
  while (used < length && used < 3 && g_ascii_isdigit (text[used]))
    *number = (guint16) (*number * 10 + (text[used++] - '0'));
  if (used > 1 && text[0] == '0')
    return 0;
  return used;
}

gsize
base_reply_parse_enhanced (const gchar *text, gsize length, guint16 enhanced[3])
{
  gsize at = 0;

  for (guint i = 0; i < 3; i++)
    {
      gsize used = parse_number (text + at, length - at, &enhanced[i]);
      at += used;
      gboolean good = used > 0 && (i == 2 || (at < length && text[at] == '.'));
      if (i == 0)
        good = good && (enhanced[0] == 2 || enhanced[0] == 4 || enhanced[0] == 5);
      if (i == 2)
        good = good && (at == length || text[at] == ' ');
      if (!good)
        {
          memset (enhanced, 0, 3 * sizeof *enhanced);
          return 0;
        }
      at += i < 2 || at < length;
    }
  return at;
}

/* Line breaks and control characters do not get into a log. */
static void
append_flat (BaseBuffer *out, const gchar *text)
{
  while (*text != '\0')
    {
      gsize run = 0;
      while (text[run] != '\0' && !is_control ((guchar) text[run]))
        run++;
      base_buffer_append (out, text, run);
      text += run;
      if (*text != '\0')
        base_buffer_append_string (out, *text++ == '\n' ? " / " : " ");
    }
}

void
base_reply_log (const BaseReply *reply, BaseBuffer *out)
{
  gchar prefix[PREFIX_LENGTH];

  base_buffer_append (out, prefix, format_prefix (reply, TRUE, prefix));
  if (reply->text != NULL)
    append_flat (out, reply->text);
  while (g_ascii_isspace (out->data[out->end - 1]))
    out->end--; /* the code's last digit is none */
}

gchar *
base_reply_to_string (const BaseReply *reply)
{
  BaseBuffer text = BASE_BUFFER_INIT;

  base_reply_log (reply, &text);
  base_buffer_append (&text, "", 1);
  return (gchar *) text.data;
}
