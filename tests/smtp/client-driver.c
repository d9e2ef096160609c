/* The driver of client machines in tests; see the header. */
#include "client-driver.h"

#include <string.h>

typedef struct
{
  SmtpClient *client;
  GString *record;
  GString *segment; /* of the server's, not yet fed */
  guint split;
  guint tag;
} Driver;

void
client_driver_describe (GString *record, const SmtpClientEvent *event)
{
  static const gchar *const names[] = { "START_TLS", "READY", "REPLY", "FAILED", "CHALLENGE" };
  g_autofree gchar *reply = event->reply != NULL ? base_reply_to_string (event->reply) : NULL;

  g_string_append_printf (record, "E: %s %s", names[event->type],
                          smtp_client_command_name (event->command));
  if (event->tag != 0)
    g_string_append_printf (record, " %u", event->tag);
  if (event->type == SMTP_CLIENT_FAILED)
    g_string_append (record, event->from_server ? " theirs" : " ours");
  g_string_append_printf (record, "%s%s\n", reply != NULL ? " " : "", reply != NULL ? reply : "");
  if (event->reply != NULL)
    g_assert_true (event->type == SMTP_CLIENT_CHALLENGE || base_reply_is_valid (event->reply));
}

void
client_driver_take_output (SmtpClient *client, GByteArray *bytes)
{
  BaseOutput *output = smtp_client_output (client);
  struct iovec vector[4];
  guint count;

  while ((count = base_output_iovec (output, vector, G_N_ELEMENTS (vector))) > 0)
    {
      gsize taken = 0;

      for (guint i = 0; i < count; i++)
        {
          g_byte_array_append (bytes, vector[i].iov_base, vector[i].iov_len);
          taken += vector[i].iov_len;
        }
      base_output_consume (output, taken);
    }
}

static void
record_output (Driver *driver)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  client_driver_take_output (driver->client, bytes);
  text = g_strndup (bytes->len > 0 ? (const gchar *) bytes->data : "", bytes->len);
  lines = g_strsplit (text, "\r\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i + 1] != NULL)
      g_string_append_printf (driver->record, "C: %s\n", lines[i]);
    else if (lines[i][0] != '\0')
      g_string_append_printf (driver->record, "C> %s\n", lines[i]);
}

static void
feed (Driver *driver, const gchar *bytes, gsize length)
{
  /* A copy of its own, so that AddressSanitizer sees a machine that keeps a borrowed pointer. */
  g_autofree guint8 *copy = g_memdup2 (bytes, length);
  const SmtpClientEvent *event;

  smtp_client_feed (driver->client, copy, length);
  while ((event = smtp_client_next (driver->client)) != NULL)
    client_driver_describe (driver->record, event);
  smtp_client_settle (driver->client);
}

static void
feed_segment (Driver *driver)
{
  gsize at = 0;
  GRand *random = g_rand_new_with_seed (driver->split);

  while (at < driver->segment->len)
    {
      gsize left = driver->segment->len - at;
      gsize length = left;

      if (driver->split == 1)
        length = 1;
      else if (driver->split > 1)
        length = g_rand_int_range (random, 1, 12);
      length = MIN (length, left);
      feed (driver, driver->segment->str + at, length);
      at += length;
    }
  g_rand_free (random);
  if (driver->segment->len > 0)
    record_output (driver);
  g_string_truncate (driver->segment, 0);
}

static void
append_unescaped (GString *bytes, const gchar *text)
{
  for (; *text != '\0'; text++)
    {
      if (*text != '\\')
        {
          g_string_append_c (bytes, *text);
          continue;
        }
      text++;
      if (*text == 'c')
        return;
      if (*text == 'x')
        {
          g_string_append_c (bytes, (gchar) (g_ascii_xdigit_value (text[1]) * 16
                                             + g_ascii_xdigit_value (text[2])));
          text += 2;
          continue;
        }
      const gchar *letter = strchr ("rnt0", *text);
      g_assert_nonnull (letter);
      g_string_append_c (bytes, "\r\n\t\0"[letter - strchr ("rnt0", 'r')]);
    }
  g_string_append (bytes, "\r\n");
}

static void
send_path (Driver *driver, gchar **words)
{
  g_autoptr (BasePath) path = NULL;
  const gchar *address = g_strcmp0 (words[1], "<>") == 0 ? "" : words[1];

  path = base_path_new (address, words[2] != NULL ? (const gchar *const *) words + 2 : NULL);
  if (g_str_equal (words[0], "mail"))
    smtp_client_mail (driver->client, path, ++driver->tag);
  else
    smtp_client_rcpt (driver->client, path, ++driver->tag);
}

static void
send_body (Driver *driver, const gchar *text)
{
  g_autoptr (GString) bytes = g_string_new (NULL);

  append_unescaped (bytes, text);
  smtp_client_body (driver->client, (const guint8 *) bytes->str, bytes->len);
  base_output_settle (smtp_client_output (driver->client));
}

static void
send_chunk (Driver *driver, const gchar *text, gboolean last)
{
  g_autoptr (GString) bytes = g_string_new (NULL);

  append_unescaped (bytes, text);
  if (!smtp_client_bdat (driver->client, (const guint8 *) bytes->str, bytes->len, last,
                         driver->tag + 1))
    g_string_append (driver->record, "E: not now\n");
  else
    driver->tag++;
  base_output_settle (smtp_client_output (driver->client));
}

static void
send_attributes (Driver *driver, gchar **words)
{
  const gchar *const *attributes = (const gchar *const *) words + 1;
  guint replies = g_str_equal (words[0], "xclient")
                      ? smtp_client_xclient (driver->client, attributes, ++driver->tag)
                      : smtp_client_xforward (driver->client, attributes, ++driver->tag);

  if (replies != 1)
    g_string_append_printf (driver->record, "E: %u replies to come\n", replies);
}

/* The extensions. */
static void
act_extended (Driver *driver, gchar **words, const gchar *action)
{
  SmtpClient *client = driver->client;
  const gchar *verb = words[0];

  if (g_str_equal (verb, "lmtp"))
    smtp_client_set_lmtp (client);
  else if (g_str_equal (verb, "bdat"))
    send_chunk (driver, action + 5, FALSE);
  else if (g_str_equal (verb, "last"))
    send_chunk (driver, action + 5, TRUE);
  else if (g_str_equal (verb, "auth"))
    smtp_client_auth (client, words[1], words[2], ++driver->tag);
  else if (g_str_equal (verb, "respond"))
    smtp_client_auth_response (client, words[1]);
  else if (g_str_equal (verb, "login"))
    {
      if (!smtp_client_login (client, words[1], words[2], ++driver->tag))
        g_string_append (driver->record, "E: no mechanism\n");
    }
  else if (g_str_equal (verb, "xclient") || g_str_equal (verb, "xforward"))
    send_attributes (driver, words);
  else
    g_assert_not_reached ();
}

static void
act (Driver *driver, const gchar *action)
{
  g_auto (GStrv) words = g_strsplit (action, " ", -1);
  SmtpClient *client = driver->client;
  const gchar *verb = words[0];

  if (g_str_equal (verb, "mail") || g_str_equal (verb, "rcpt"))
    send_path (driver, words);
  else if (g_str_equal (verb, "data"))
    smtp_client_data (client, ++driver->tag);
  else if (g_str_equal (verb, "body"))
    send_body (driver, action + 5);
  else if (g_str_equal (verb, "end"))
    smtp_client_end (client, ++driver->tag);
  else if (g_str_equal (verb, "rset"))
    smtp_client_rset (client, ++driver->tag);
  else if (g_str_equal (verb, "noop"))
    smtp_client_noop (client, ++driver->tag);
  else if (g_str_equal (verb, "quit"))
    smtp_client_quit (client);
  else if (g_str_equal (verb, "tls"))
    smtp_client_tls_started (client);
  else if (g_str_equal (verb, "eof"))
    smtp_client_eof (client);
  else
    act_extended (driver, words, action);
  feed (driver, NULL, 0);
  record_output (driver);
}

gchar *
client_driver_run (const gchar *script, SmtpClientTls tls, guint split)
{
  g_autoptr (SmtpClient) client = smtp_client_new ("gw.example.org", tls);
  Driver driver = { client, g_string_new (NULL), g_string_new (NULL), split, 0 };
  g_auto (GStrv) lines = g_strsplit (script, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      gboolean server = g_str_has_prefix (lines[i], "S: ");

      if (!server)
        feed_segment (&driver);
      if (!server && !g_str_has_prefix (lines[i], "H: "))
        continue;
      g_string_append_printf (driver.record, "%s\n", lines[i]);
      if (server)
        append_unescaped (driver.segment, lines[i] + 3);
      else
        act (&driver, lines[i] + 3);
    }
  feed_segment (&driver);
  g_string_free (driver.segment, TRUE);
  return g_string_free (driver.record, FALSE);
}

void
client_driver_check (const gchar *script, SmtpClientTls tls)
{
  g_auto (GStrv) expected = g_strsplit (script, "\n", -1);

  for (guint split = 0; split < 12; split++)
    {
      g_autofree gchar *record = client_driver_run (script, tls, split);
      g_auto (GStrv) lines = g_strsplit (record, "\n", -1);

      /* Line by line, so that a failure shows the line. */
      for (guint i = 0; lines[i] != NULL && expected[i] != NULL; i++)
        g_assert_cmpstr (lines[i], ==, expected[i]);
      g_assert_cmpstr (record, ==, script);
    }
}
