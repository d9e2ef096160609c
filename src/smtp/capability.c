/* EHLO keywords as flags: read from an upstream's reply, compared, and written for a client. One
 * table serves reading and writing. Nothing fails: an unknown keyword, or a malformed size, changes
 * nothing or counts as "no limit stated". */
#include "smtp/capability.h"

#include <string.h>

typedef struct
{
  const gchar *keyword;
  SmtpCap flag;
  gboolean written; /* FALSE: its line needs arguments that only the host knows */
} Keyword;

static const Keyword keywords[] = {
  { "PIPELINING", SMTP_CAP_PIPELINING, TRUE },
  { "SIZE", SMTP_CAP_SIZE, TRUE },
  { "STARTTLS", SMTP_CAP_STARTTLS, TRUE },
  { "ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCEDSTATUSCODES, TRUE },
  { "8BITMIME", SMTP_CAP_8BITMIME, TRUE },
  { "SMTPUTF8", SMTP_CAP_SMTPUTF8, TRUE },
  { "DSN", SMTP_CAP_DSN, TRUE },
  { "CHUNKING", SMTP_CAP_CHUNKING, TRUE },
  { "BINARYMIME", SMTP_CAP_BINARYMIME, TRUE },
  { "HELP", SMTP_CAP_HELP, TRUE },
  { "AUTH", SMTP_CAP_AUTH, FALSE },
  { "XCLIENT", SMTP_CAP_XCLIENT, FALSE },
  { "XFORWARD", SMTP_CAP_XFORWARD, FALSE },
};

static const struct
{
  const gchar *name;
  SmtpCap flag;
} mechanisms[] = {
  { "SCRAM-SHA-512", SMTP_CAP_AUTH_SCRAM_SHA_512 },
  { "SCRAM-SHA-256", SMTP_CAP_AUTH_SCRAM_SHA_256 },
  { "SCRAM-SHA-1", SMTP_CAP_AUTH_SCRAM_SHA_1 },
  { "DIGEST-MD5", SMTP_CAP_AUTH_DIGEST_MD5 },
  { "CRAM-MD5", SMTP_CAP_AUTH_CRAM_MD5 },
  { "OAUTHBEARER", SMTP_CAP_AUTH_OAUTHBEARER },
  { "XOAUTH2", SMTP_CAP_AUTH_XOAUTH2 },
  { "NTLM", SMTP_CAP_AUTH_NTLM },
  { "PLAIN", SMTP_CAP_AUTH_PLAIN },
  { "LOGIN", SMTP_CAP_AUTH_LOGIN },
};

SmtpCapabilities
smtp_capabilities_intersect (SmtpCapabilities a, SmtpCapabilities b)
{
  SmtpCapabilities both = { a.flags & b.flags, MIN (a.size, b.size) };

  if (a.size == 0 || b.size == 0)
    both.size = MAX (a.size, b.size);
  return both;
}

static guint64
parse_size (const gchar *text, gsize length)
{
  guint64 size = 0;

  while (length > 0 && *text == ' ')
    text++, length--;
  for (; length > 0 && g_ascii_isdigit (*text); text++, length--)
    if (!g_uint64_checked_mul (&size, size, 10)
        || !g_uint64_checked_add (&size, size, (guint64) (*text - '0')))
      return 0;
  while (length > 0 && g_ascii_isspace (*text))
    text++, length--;
  return length == 0 ? size : 0;
}

static guint32
parse_mechanisms (const gchar *text, gsize length)
{
  g_autofree gchar *list = g_strndup (text, length);
  g_auto (GStrv) words = g_strsplit_set (list, "= \t\r\n", -1);
  guint32 flags = 0;

  for (guint i = 0; words[i] != NULL; i++)
    for (guint j = 0; j < G_N_ELEMENTS (mechanisms); j++)
      if (g_ascii_strcasecmp (words[i], mechanisms[j].name) == 0)
        flags |= mechanisms[j].flag;
  return flags;
}

gboolean
smtp_capabilities_own (const gchar *line)
{
  gsize length = strcspn (line, " =");

  for (guint i = 0; i < G_N_ELEMENTS (keywords); i++)
    if (strlen (keywords[i].keyword) == length
        && g_ascii_strncasecmp (line, keywords[i].keyword, length) == 0)
      return TRUE;
  return FALSE;
}

gchar *
smtp_capabilities_mechanisms (SmtpCapabilities capabilities)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (mechanisms); i++)
    if ((capabilities.flags & mechanisms[i].flag) != 0)
      g_string_append_printf (list, "%s%s", list->len > 0 ? " " : "", mechanisms[i].name);
  return list->len > 0 ? g_strdup (list->str) : NULL;
}

void
smtp_capabilities_parse_line (SmtpCapabilities *capabilities, const gchar *line, gsize length)
{
  gsize word = 0;

  /* "AUTH=LOGIN" is how servers wrote it before RFC 2554. */
  while (word < length && (g_ascii_isalnum (line[word]) || line[word] == '-'))
    word++;
  for (guint i = 0; i < G_N_ELEMENTS (keywords); i++)
    {
      if (strlen (keywords[i].keyword) != word
          || g_ascii_strncasecmp (line, keywords[i].keyword, word) != 0)
        continue;
      capabilities->flags |= keywords[i].flag;
      if (keywords[i].flag == SMTP_CAP_SIZE)
        capabilities->size = parse_size (line + word, length - word);
      if (keywords[i].flag == SMTP_CAP_AUTH)
        capabilities->flags |= parse_mechanisms (line + word, length - word);
      return;
    }
}

gchar *
smtp_capabilities_to_lines (SmtpCapabilities capabilities)
{
  GString *lines = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (keywords); i++)
    {
      if (!keywords[i].written || (capabilities.flags & keywords[i].flag) == 0)
        continue;
      if (lines->len > 0)
        g_string_append_c (lines, '\n');
      g_string_append (lines, keywords[i].keyword);
      if (keywords[i].flag == SMTP_CAP_SIZE && capabilities.size > 0)
        g_string_append_printf (lines, " %" G_GUINT64_FORMAT, capabilities.size);
    }
  return g_string_free (lines, FALSE);
}
