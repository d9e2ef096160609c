/* From exit status and output to verdict and edits. The status is one of sysexits.h, read as
 * Postfix's pipe(8) reads it where a program speaks of the message; one that speaks of the
 * program's own trouble fails the filter, and so does output that makes no sense. */
#include "answer.h"

#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#define EX_QUARANTINE 98
#define EX_DISCARD 99
#define MAX_REPLY 400
#define MAX_FIELDS 100

static const struct
{
  int status;
  guint code;
  const char *enhanced;
  const char *text;
} replies[] = {
  { EX_DATAERR, 550, "5.6.0", "Message content refused" },
  { EX_NOUSER, 550, "5.1.1", "User unknown" },
  { EX_NOHOST, 550, "5.1.2", "Host unknown" },
  { EX_UNAVAILABLE, 550, "5.7.1", "Message refused" },
  { EX_TEMPFAIL, 451, "4.7.1", "Try again later" },
  { EX_NOPERM, 550, "5.7.0", "Not permitted" },
};

/* ---- Text ---- */

/* The first line that says something, printable and short. Caller frees. */
static char *
first_line (const GString *text)
{
  gsize start = strspn (text->str, "\r\n\t ");
  gsize length = strcspn (text->str + start, "\r\n");
  char *line = g_strndup (text->str + start, MIN (length, MAX_REPLY));

  for (char *at = line; *at != '\0'; at++)
    if (*at < ' ' || *at > '~')
      *at = '?';
  return g_strchomp (line);
}

/* The length of an enhanced code of this class at the beginning (RFC 3463), with what separates it;
 * 0: none. */
static gsize
enhanced_length (const char *line, char class)
{
  gsize subject = 0, detail = 0;

  if (line[0] != class || line[1] != '.')
    return 0;
  subject = strspn (line + 2, "0123456789");
  if (subject < 1 || subject > 3 || line[2 + subject] != '.')
    return 0;
  detail = strspn (line + 3 + subject, "0123456789");
  if (detail < 1 || detail > 3 || line[3 + subject + detail] != ' ')
    return 0;
  return 3 + subject + detail;
}

static WeirVerdict
reply (WeirContext *context, guint row, const char *line)
{
  gsize length = enhanced_length (line, replies[row].enhanced[0]);
  g_autofree char *enhanced = length > 0 ? g_strndup (line, length) : NULL;
  const char *text = line + length + strspn (line + length, " ");

  return weir_reply (context, replies[row].code,
                     enhanced != NULL ? enhanced : replies[row].enhanced, "%s",
                     *text != '\0' ? text : replies[row].text);
}

static WeirVerdict
apply (WeirContext *context, const char *program, const ChildResult *result, AnswerEdit edit)
{
  g_autoptr (GError) error = NULL;

  if (edit == NULL || edit (context, result->output, &error))
    return WEIR_PASS;
  return weir_fail (context, "%s: %s", program, error->message);
}

WeirVerdict
answer_verdict (WeirContext *context, const char *program, const ChildResult *result,
                AnswerEdit edit)
{
  g_autofree char *line = first_line (result->text);
  int status = WIFEXITED (result->status) ? WEXITSTATUS (result->status) : -1;

  if (status == EX_OK)
    return apply (context, program, result, edit);
  for (guint i = 0; i < G_N_ELEMENTS (replies); i++)
    if (replies[i].status == status)
      return reply (context, i, line);
  if (status == EX_QUARANTINE)
    return weir_quarantine (context, "%s", *line != '\0' ? line : program);
  if (status == EX_DISCARD)
    return WEIR_DISCARD;
  if (status < 0)
    return weir_fail (context, "%s was ended by signal %d (%s)", program, WTERMSIG (result->status),
                      strsignal (WTERMSIG (result->status)));
  return weir_fail (context, "%s ended with status %d: %s", program, status, line);
}

/* ---- A new message ---- */

static GByteArray *
to_crlf (const GByteArray *output)
{
  GByteArray *wire = g_byte_array_sized_new (output->len + output->len / 32);
  guint start = 0;

  for (guint i = 0; i < output->len; i++)
    if (output->data[i] == '\n' && (i == 0 || output->data[i - 1] != '\r'))
      {
        g_byte_array_append (wire, output->data + start, i - start);
        g_byte_array_append (wire, (const guint8 *) "\r\n", 2);
        start = i + 1;
      }
  g_byte_array_append (wire, output->data + start, output->len - start);
  return wire;
}

static gboolean
is_the_message (WeirContext *context, const GByteArray *wire)
{
  guint8 chunk[16 * 1024];

  if (weir_message_size (context) != wire->len)
    return FALSE;
  for (guint at = 0; at < wire->len; at += sizeof chunk)
    {
      guint length = MIN (wire->len - at, sizeof chunk);

      if (weir_message_read (context, at, chunk, length) != (gssize) length
          || memcmp (chunk, wire->data + at, length) != 0)
        return FALSE;
    }
  return TRUE;
}

static gboolean
fail (GError **error, const char *text)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

/* What is no message at all, an error message in its place say, does not begin like one. */
static gboolean
begins_with_field (const GByteArray *wire)
{
  guint at = 0;

  while (at < wire->len && wire->data[at] > ' ' && wire->data[at] < 127 && wire->data[at] != ':')
    at++;
  return at > 0 && at < wire->len && wire->data[at] == ':';
}

gboolean
answer_replace (WeirContext *context, const GByteArray *output, GError **error)
{
  g_autoptr (GByteArray) wire = to_crlf (output);

  if (wire->len > 0 && is_the_message (context, wire))
    return TRUE;
  if (!begins_with_field (wire))
    return fail (error, "what it writes is no message");
  if (memchr (wire->data, '\0', wire->len) != NULL)
    return fail (error, "writes a message with a NUL");
  return weir_message_replace (context, (const char *) wire->data, (gssize) wire->len, error);
}

/* ---- New fields ---- */

/* The end of the field that begins here: a line break that no white space follows. */
static const char *
field_end (const char *at)
{
  const char *end = strchr (at, '\n');

  while (end != NULL && (end[1] == ' ' || end[1] == '\t'))
    end = strchr (end + 1, '\n');
  return end == NULL ? at + strlen (at) : end;
}

static gboolean
add_field (WeirContext *context, const char *start, gsize length, GError **error)
{
  g_autofree char *field = g_strndup (start, length);
  char *colon = strchr (field, ':');

  if (length > 0 && field[length - 1] == '\r')
    field[length - 1] = '\0';
  if (colon == NULL)
    return fail (error, "writes a line that is no header field");
  *colon = '\0';
  return weir_header_append (context, field, colon + 1, error);
}

gboolean
answer_add_fields (WeirContext *context, const GByteArray *output, GError **error)
{
  g_autofree char *text
      = g_strndup (output->len == 0 ? "" : (const char *) output->data, output->len);
  const char *at = text;

  if (strlen (text) != output->len)
    return fail (error, "writes a header field with a NUL");
  for (guint count = 0; at[strspn (at, "\r\n")] != '\0'; count++)
    {
      const char *end = field_end (at);

      if (count == MAX_FIELDS)
        return fail (error, "writes more than 100 header fields");
      if (!add_field (context, at, (gsize) (end - at), error))
        return FALSE;
      at = *end == '\0' ? end : end + 1;
    }
  return TRUE;
}
