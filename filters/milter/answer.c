/* Reads a milter's answers. One row an answer: its letter, what stands behind it. Whatever is no
 * such row, or has less or more behind it, is an error that names it. */
#include "answer.h"

#include <string.h>

#define MAX_LINE 480 /* octets of a line's text, that it fits into an SMTP reply */

typedef enum
{
  HAS_NOTHING,
  HAS_TEXT,
  HAS_NAME,
  HAS_NAME_MAYBE_TEXT,
  HAS_NAME_TEXT,
  HAS_INDEX_NAME_TEXT,
  HAS_BYTES
} Shape;

static const struct
{
  char letter;
  AnswerKind kind;
  Shape shape;
} rows[] = {
  { 'c', ANSWER_CONTINUE, HAS_NOTHING },
  { 'a', ANSWER_ACCEPT, HAS_NOTHING },
  { 'r', ANSWER_REJECT, HAS_NOTHING },
  { 't', ANSWER_TEMPFAIL, HAS_NOTHING },
  { 'd', ANSWER_DISCARD, HAS_NOTHING },
  { 'y', ANSWER_REPLY, HAS_TEXT },
  { 's', ANSWER_SKIP, HAS_NOTHING },
  { 'p', ANSWER_PROGRESS, HAS_NOTHING },
  { 'f', ANSWER_FAILURE, HAS_NOTHING },
  { '4', ANSWER_SHUTDOWN, HAS_NOTHING },
  { 'h', ANSWER_ADD_HEADER, HAS_NAME_TEXT },
  { 'i', ANSWER_INSERT_HEADER, HAS_INDEX_NAME_TEXT },
  { 'm', ANSWER_CHANGE_HEADER, HAS_INDEX_NAME_TEXT },
  { 'b', ANSWER_REPLACE_BODY, HAS_BYTES },
  { '+', ANSWER_ADD_RECIPIENT, HAS_NAME },
  { '2', ANSWER_ADD_RECIPIENT, HAS_NAME_MAYBE_TEXT },
  { '-', ANSWER_DELETE_RECIPIENT, HAS_NAME },
  { 'e', ANSWER_CHANGE_SENDER, HAS_NAME_MAYBE_TEXT },
  { 'q', ANSWER_QUARANTINE, HAS_TEXT },
};

static gboolean
read_shape (Packet *rest, Shape shape, Answer *answer)
{
  switch (shape)
    {
    case HAS_NOTHING:
      return TRUE;
    case HAS_TEXT:
      return packet_read_string (rest, &answer->text);
    case HAS_NAME:
      return packet_read_string (rest, &answer->name);
    case HAS_NAME_MAYBE_TEXT:
      return packet_read_string (rest, &answer->name)
             && (rest->length == 0 || packet_read_string (rest, &answer->text));
    case HAS_INDEX_NAME_TEXT:
      return packet_read_u32 (rest, &answer->index) && packet_read_string (rest, &answer->name)
             && packet_read_string (rest, &answer->text);
    case HAS_NAME_TEXT:
      return packet_read_string (rest, &answer->name) && packet_read_string (rest, &answer->text);
    case HAS_BYTES:
      answer->bytes = rest->data;
      answer->length = rest->length;
      rest->length = 0;
      return TRUE;
    }
  return FALSE;
}

gboolean
answer_read (const Packet *packet, Answer *answer, GError **error)
{
  Packet rest = *packet;
  guint8 letter = (guint8) packet->command;

  memset (answer, 0, sizeof *answer);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if (rows[i].letter != packet->command)
        continue;
      answer->kind = rows[i].kind;
      if (read_shape (&rest, rows[i].shape, answer) && rest.length == 0)
        return TRUE;
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                   "an answer \"%c\" whose %" G_GSIZE_FORMAT " octets make no sense", letter,
                   packet->length);
      return FALSE;
    }
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "an unknown answer (0x%02x)", letter);
  return FALSE;
}

/* ---- Replies ---- */

static gboolean
fail (GError **error, const char *text)
{
  g_autofree char *shown = g_strndup (text, 100);

  for (char *at = shown; *at != '\0'; at++)
    if (!g_ascii_isprint (*at))
      *at = '_';
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "a reply that can not be given: \"%s\"",
               shown);
  return FALSE;
}

/* The octets of "x.y.z" at the front, of this class (RFC 3463 section 2); 0: there is none. */
static gsize
enhanced_length (const char *text, char class)
{
  const char *at = text + 1;

  if (*text != class)
    return 0;
  for (guint part = 0; part < 2; part++)
    {
      gsize digits = *at == '.' ? strspn (at + 1, "0123456789") : 0;

      if (digits == 0 || digits > 3)
        return 0;
      at += 1 + digits;
    }
  return *at == ' ' || *at == '\0' ? (gsize) (at - text) : 0;
}

static void
append_line (GString *out, const char *text)
{
  gsize before = out->len;

  for (; *text != '\0' && out->len - before < MAX_LINE; text++)
    {
      if (*text == '%' && text[1] == '%')
        text++;
      g_string_append_c (out, *text);
    }
}

/* One line, without its end: code, separator, enhanced code, text. */
static gboolean
read_line (const char *line, gboolean last, AnswerReply *reply, GString *text)
{
  guint64 code = 0;
  g_autofree char *digits = g_strndup (line, 3);
  const char *rest = line;
  gsize enhanced = 0;

  if (!g_ascii_string_to_unsigned (digits, 10, 400, 599, &code, NULL)
      || (reply->code != 0 && reply->code != code))
    return FALSE;
  rest += 3;
  if (*rest != '\0' && *rest != ' ' && (*rest != '-' || last))
    return FALSE;
  rest += *rest != '\0';
  enhanced = enhanced_length (rest, *line);
  if (enhanced > 0 && reply->code == 0)
    reply->enhanced = g_strndup (rest, enhanced);
  if (reply->code != 0)
    g_string_append_c (text, '\n');
  reply->code = (guint) code;
  rest += enhanced;
  append_line (text, enhanced > 0 && *rest == ' ' ? rest + 1 : rest);
  return TRUE;
}

gboolean
answer_read_reply (const char *text, AnswerReply *reply, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", ANSWER_MAX_LINES + 2);
  g_autoptr (GString) all = g_string_new (NULL);
  guint count = g_strv_length (lines);

  memset (reply, 0, sizeof *reply);
  if (count > 1 && *lines[count - 1] == '\0')
    count--;
  if (count == 0 || count > ANSWER_MAX_LINES)
    return fail (error, text);
  for (guint i = 0; i < count; i++)
    {
      g_strchomp (lines[i]);
      if (read_line (lines[i], i + 1 == count, reply, all))
        continue;
      answer_reply_clear (reply);
      return fail (error, text);
    }
  reply->text = g_string_free (g_steal_pointer (&all), FALSE);
  return TRUE;
}

void
answer_reply_clear (AnswerReply *reply)
{
  g_clear_pointer (&reply->enhanced, g_free);
  g_clear_pointer (&reply->text, g_free);
}
