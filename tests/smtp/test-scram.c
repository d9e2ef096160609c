/* SCRAM-SHA-256: the example of RFC 7677 section 3, what a server may not ask for, and a whole
 * login of the client machine against a server of the test's that knows the password, or does not.
 */
#include <string.h>

#include "smtp/client.h"
#include "smtp/scram.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define THEIRS NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define PROOF "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void
test_example (void)
{
  g_autoptr (SmtpScram) scram = smtp_scram_new ("user", "pencil", NONCE);
  g_autofree gchar *first = smtp_scram_first (scram);
  g_assert_cmpstr (first, ==, "n,,n=user,r=" NONCE);
  g_assert_false (smtp_scram_verify (scram, PROOF)); /* nothing to prove yet */
  g_autofree gchar *final = smtp_scram_final (scram, "r=" THEIRS ",s=" SALT ",i=4096");
  g_assert_cmpstr (final, ==, "c=biws,r=" THEIRS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  g_assert_true (smtp_scram_verify (scram, PROOF));
  g_assert_true (smtp_scram_verify (scram, PROOF ",more"));
  g_assert_false (smtp_scram_verify (scram, "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
  g_assert_false (smtp_scram_verify (scram, "v=6rriTRBi23WpRR8="));
  g_assert_false (smtp_scram_verify (scram, "e=other-error"));
  g_assert_false (smtp_scram_verify (scram, ""));
  g_assert_null (smtp_scram_final (scram, "r=" THEIRS ",s=" SALT ",i=4096")); /* once */
}

static void
test_names (void)
{
  g_autoptr (SmtpScram) scram = smtp_scram_new ("a=b,c", "x", "N");
  g_autofree gchar *first = smtp_scram_first (scram);
  g_assert_cmpstr (first, ==, "n,,n=a=3Db=2Cc,r=N");
}

/* One past each limit, and what is not of the form. */
static void
test_refused (void)
{
  static const gchar *const texts[] = {
    "",
    "x",
    "r=" THEIRS,
    "r=" THEIRS ",s=" SALT,
    "r=" NONCE ",s=" SALT ",i=4096",
    "r=other,s=" SALT ",i=4096",
    "r=" THEIRS ",s=,i=4096",
    "r=" THEIRS ",s=" SALT ",i=4095",
    "r=" THEIRS ",s=" SALT ",i=100001",
    "r=" THEIRS ",s=" SALT ",i=-4096",
    "r=" THEIRS ",s=" SALT ",i=99999999999999999999",
    "r=" THEIRS ",s=" SALT ",i=4096x",
    "m=ext,r=" THEIRS ",s=" SALT ",i=4096",
    "e=unknown-user",
  };
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (SmtpScram) scram = smtp_scram_new ("user", "pencil", NONCE);
      g_assert_null (smtp_scram_final (scram, texts[i]));
    }
  for (guint over = 0; over < 2; over++)
    {
      g_autoptr (SmtpScram) scram = smtp_scram_new ("user", "pencil", NONCE);
      g_autofree guchar *salt = g_malloc0 (SMTP_SCRAM_MAX_SALT + over);
      g_autofree gchar *encoded = g_base64_encode (salt, SMTP_SCRAM_MAX_SALT + over);
      g_autofree gchar *text = g_strconcat ("r=" THEIRS ",s=", encoded, ",i=4096", NULL);
      g_autofree gchar *final = smtp_scram_final (scram, text);
      g_assert_true ((final == NULL) == over);
    }
}

/* ---- The client machine ---- */

static void
hear (SmtpClient *client, const gchar *text)
{
  smtp_client_feed (client, (const guint8 *) text, strlen (text));
}

static const SmtpClientEvent *
next (SmtpClient *client)
{
  const SmtpClientEvent *event = smtp_client_next (client);
  smtp_client_settle (client);
  return event;
}

/* The line that is to be written, decoded behind `skip` octets. Caller frees. */
static gchar *
said (SmtpClient *client, const gchar *prefix)
{
  BaseOutput *output = smtp_client_output (client);
  struct iovec vector[8];
  guint n = base_output_iovec (output, vector, 8);
  g_autoptr (GString) text = g_string_new (NULL);
  gsize length = 0;
  for (guint i = 0; i < n; i++)
    g_string_append_len (text, vector[i].iov_base, (gssize) vector[i].iov_len);
  base_output_consume (output, output->length);
  g_assert_true (g_str_has_prefix (text->str, prefix));
  g_strchomp (text->str);
  const gchar *encoded = text->str + strlen (prefix);
  g_autofree guchar *bytes = *encoded == '\0' ? NULL : g_base64_decode (encoded, &length);
  return g_strndup ((const gchar *) bytes, length);
}

static void
challenge (SmtpClient *client, const gchar *text)
{
  g_autofree gchar *encoded = g_base64_encode ((const guchar *) text, strlen (text));
  g_autofree gchar *line = g_strdup_printf ("334 %s\r\n", encoded);
  hear (client, line);
  g_assert_null (next (client));
}

static SmtpClient *
begin (gchar **first)
{
  SmtpClient *client = smtp_client_new ("gw.test", SMTP_CLIENT_TLS_OFF);
  hear (client, "220 x\r\n");
  g_assert_null (next (client));
  g_free (said (client, "EHLO gw.test"));
  hear (client, "250-x\r\n250 AUTH LOGIN PLAIN SCRAM-SHA-256\r\n");
  g_assert_cmpint (next (client)->type, ==, SMTP_CLIENT_READY);
  g_assert_true (smtp_client_login (client, "user", "pencil", 7));
  *first = said (client, "AUTH SCRAM-SHA-256 ");
  return client;
}

/* The server knows the password as we do: by the same machine, with the nonces that went by. */
static void
test_login (void)
{
  g_autofree gchar *first = NULL;
  g_autoptr (SmtpClient) client = begin (&first);
  const gchar *nonce = strstr (first, ",r=") + 3;
  g_assert_cmpuint (strlen (nonce), ==, 24);
  g_autofree gchar *theirs = g_strdup_printf ("r=%sabc,s=" SALT ",i=4096", nonce);
  g_autoptr (SmtpScram) peer = smtp_scram_new ("user", "pencil", nonce);
  g_autofree gchar *expected = smtp_scram_final (peer, theirs);
  challenge (client, theirs);
  g_autofree gchar *final = said (client, "");
  g_assert_cmpstr (final, ==, expected);
}

/* Let in without proof: it may be anybody, and it shall get no mail. */
static void
test_no_proof (gconstpointer when)
{
  g_autofree gchar *first = NULL;
  g_autoptr (SmtpClient) client = begin (&first);
  const gchar *nonce = strstr (first, ",r=") + 3;
  g_autofree gchar *theirs = g_strdup_printf ("r=%sabc,s=" SALT ",i=4096", nonce);
  if (GPOINTER_TO_UINT (when) > 0)
    {
      challenge (client, theirs);
      g_free (said (client, ""));
    }
  if (GPOINTER_TO_UINT (when) > 1)
    {
      challenge (client, PROOF); /* of another exchange */
      g_free (said (client, "*"));
    }
  hear (client, "235 2.7.0 welcome\r\n");
  const SmtpClientEvent *event = next (client);
  g_assert_cmpint (event->type, ==, SMTP_CLIENT_FAILED);
  g_assert_false (event->from_server);
  g_assert_cmpuint (event->reply->code, ==, 451);
}

static void
test_server_refuses (void)
{
  g_autofree gchar *first = NULL;
  g_autoptr (SmtpClient) client = begin (&first);
  hear (client, "535 5.7.8 no\r\n");
  const SmtpClientEvent *event = next (client);
  g_assert_cmpint (event->type, ==, SMTP_CLIENT_REPLY);
  g_assert_cmpuint (event->reply->code, ==, 535);
  g_assert_cmpuint (event->tag, ==, 7);
}

/* A question that has no answer is cancelled. */
static void
test_odd_challenge (void)
{
  g_autofree gchar *first = NULL;
  g_autoptr (SmtpClient) client = begin (&first);
  challenge (client, "r=somebody,s=" SALT ",i=4096");
  g_free (said (client, "*"));
  hear (client, "501 5.7.0 cancelled\r\n");
  g_assert_cmpint (next (client)->type, ==, SMTP_CLIENT_REPLY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/scram/example", test_example);
  g_test_add_func ("/smtp/scram/names", test_names);
  g_test_add_func ("/smtp/scram/refused", test_refused);
  g_test_add_func ("/smtp/scram/login", test_login);
  g_test_add_data_func ("/smtp/scram/no-proof/at-once", GUINT_TO_POINTER (0), test_no_proof);
  g_test_add_data_func ("/smtp/scram/no-proof/before", GUINT_TO_POINTER (1), test_no_proof);
  g_test_add_data_func ("/smtp/scram/no-proof/wrong", GUINT_TO_POINTER (2), test_no_proof);
  g_test_add_func ("/smtp/scram/server-refuses", test_server_refuses);
  g_test_add_func ("/smtp/scram/odd-challenge", test_odd_challenge);
  return g_test_run ();
}
