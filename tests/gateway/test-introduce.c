/* What an upstream is told about our client by XCLIENT, and that nothing is sent to one that does
 * not take it from us. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define CONFIG(listener, route)                                                                    \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] " listener " }\n"               \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] xclient = true " route " }\n"
#define SAY_MESSAGE SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY
#define OURS                                                                                       \
  "XCLIENT NAME=client.test ADDR=127.0.0.1 PORT=40000 PROTO=ESMTP HELO=client.test "               \
  "LOGIN=[UNAVAILABLE] DESTADDR=127.0.0.1 DESTPORT=2525\n"

static GString *logged;

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (logged, line, (gssize) length);
}

static Harness *
introducing (const gchar *config)
{
  Harness *h = harness_new (config, NULL, 0, 0);
  h->capabilities.flags |= SMTP_CAP_XCLIENT;
  g_string_truncate (logged, 0);
  harness_greet (h);
  return h;
}

static void
assert_answers (Harness *h, const gchar *said, const gchar *codes)
{
  harness_say (h, said);
  g_autofree gchar *heard = harness_heard (h);
  g_autoptr (GString) all = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    g_string_append_printf (all, "%s%.3s", i > 0 ? " " : "", lines[i]);
  if (strcmp (all->str, codes) != 0)
    g_error ("%s and not %s: %s", all->str, codes, heard);
}

static void
assert_begins (const GString *text, const gchar *start)
{
  if (!g_str_has_prefix (text->str, start))
    g_error ("%s does not begin with %s", text->str, start);
}

/* Each message has a connection of its own, in which the upstream hears the client's name first. */
static void
test_said (void)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  for (guint i = 1; i <= 2; i++)
    {
      g_string_truncate (h->commands, 0);
      assert_answers (h, SAY_MESSAGE, "250 250 354 250");
      assert_begins (h->commands, OURS "EHLO client.test\nMAIL a@client.test\nRCPT b@up.test\n");
      g_assert_cmpuint (h->messages, ==, i);
      g_assert_cmpuint (h->connections, ==, i);
    }
}

/* Within a transaction it is said once, to the replacement of a lost connection again. */
static void
test_lost (void)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  assert_answers (h, SAY_MAIL SAY_RCPT, "250 250");
  g_string_truncate (h->commands, 0);
  harness_upstream_closes (h);
  assert_answers (h, "RCPT TO:<c@up.test>\n", "250");
  assert_begins (h->commands, OURS "EHLO client.test\nMAIL a@client.test\nRCPT b@up.test\n");
  assert_answers (h, "DATA\n" SAY_BODY, "354 250");
}

static void
test_what_we_were_told (void)
{
  g_autoptr (Harness) h
      = introducing (CONFIG ("xclient-from = [\"127.0.0.1\"]", "xforward = true"));
  h->capabilities.flags |= SMTP_CAP_XFORWARD;
  assert_answers (h,
                  "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 LOGIN=me "
                  "DESTADDR=192.0.2.25 DESTPORT=25\n",
                  "220");
  harness_say (h, "EHLO o.test\n");
  g_free (harness_heard (h));
  assert_answers (h, SAY_MESSAGE, "250 250 354 250");
  assert_begins (h->commands,
                 "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=[UNAVAILABLE] PROTO=ESMTP "
                 "HELO=o.test LOGIN=me DESTADDR=192.0.2.25 DESTPORT=25\nEHLO o.test\n"
                 "XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 ");
}

static void
test_not_offered (void)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  h->capabilities.flags &= ~(guint32) SMTP_CAP_XCLIENT;
  assert_answers (h, SAY_MAIL SAY_RCPT, "250 451");
  g_assert_cmpstr (h->commands->str, ==, "");
  g_assert_nonnull (strstr (logged->str, "up1 does not let us speak for our client"));
  g_assert_cmpuint (h->given_back, ==, 1);
  assert_answers (h, "QUIT\n", "221");
}

static const gchar *
refuse (Harness *harness, const gchar *event)
{
  return g_str_has_prefix (event, "XCLIENT") ? harness->data : NULL;
}

/* What is said of the client is the client's to hear; what is said of us is a 451. */
static void
test_refused (gconstpointer answer)
{
  gboolean judged = *(const gchar *) answer == '4' || g_str_has_prefix (answer, "554");
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  g_autofree gchar *codes = g_strdup_printf ("250 %.3s", judged ? (const gchar *) answer : "451");
  h->data = (gpointer) answer;
  h->decide = refuse;
  assert_answers (h, SAY_MAIL SAY_RCPT, codes);
  g_assert_null (strstr (h->commands->str, "MAIL"));
  g_assert_cmpuint (h->dropped, ==, 1);
  g_assert_cmpint (strstr (logged->str, "does not let us speak") == NULL, ==, judged);
  h->decide = NULL;
  assert_answers (h, "RSET\n" SAY_MESSAGE, "250 250 250 354 250");
}

/* A recipient who heard 250 can not be refused any more. */
static void
test_refused_later (void)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  assert_answers (h, SAY_MAIL SAY_RCPT, "250 250");
  h->data = (gpointer) "554 5.7.1 not this one";
  h->decide = refuse;
  harness_upstream_closes (h);
  assert_answers (h, "DATA\n" SAY_BODY, "354 451");
  g_assert_cmpuint (h->messages, ==, 0);
}

/* Nothing but the name goes out before its answer, and time runs. */
static void
test_silent (gconstpointer leaves)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", "reply = 5s"));
  h->data = (gpointer) "stall";
  h->decide = refuse;
  assert_answers (h, SAY_MAIL SAY_RCPT, "250");
  g_assert_cmpstr (h->commands->str, ==, OURS);
  if (leaves != NULL)
    {
      h->gone = TRUE;
      gateway_session_client_gone (h->session);
      g_assert_true (gateway_session_is_over (h->session));
      return;
    }
  h->decide = NULL;
  harness_pass_time (h, 6000);
  harness_assert_code (h, "250");
  assert_answers (h, "DATA\n" SAY_BODY, "354 250");
}

/* What the upstream offers to this client counts, and not what it offered to us. */
static const gchar *
offer_less (Harness *harness, const gchar *event)
{
  if (g_str_has_prefix (event, "XCLIENT"))
    harness->capabilities.flags &= ~(guint32) SMTP_CAP_8BITMIME;
  return NULL;
}

static void
test_offers_less (void)
{
  g_autoptr (Harness) h = introducing (CONFIG ("", ""));
  h->decide = offer_less;
  assert_answers (h, "MAIL FROM:<a@client.test> BODY=8BITMIME\n" SAY_RCPT, "250 451");
  g_assert_null (strstr (h->commands->str, "MAIL"));
}

/* AUTH comes behind the name, and the connection stays the client's. */
static void
test_before_auth (void)
{
  g_autoptr (Harness) h = harness_new (CONFIG ("auth = \"always\"", ""), NULL, 0, 0);
  h->capabilities.flags |= SMTP_CAP_XCLIENT;
  h->mechanisms = "PLAIN";
  harness_greet (h);
  harness_script (h, "AUTH PLAIN AGEAYg==", "235 2.7.0 welcome");
  assert_answers (h, "AUTH PLAIN AGEAYg==\n", "235");
  assert_begins (h->commands, OURS "EHLO client.test\nAUTH PLAIN ");
  assert_answers (h, SAY_MESSAGE, "250 250 354 250");
  assert_answers (h, SAY_MESSAGE, "250 250 354 250");
  g_assert_cmpuint (h->connections, ==, 1);
  g_assert_null (strstr (strstr (h->commands->str, "AUTH"), "XCLIENT"));
}

static void
test_auth_refused (void)
{
  g_autoptr (Harness) h = harness_new (CONFIG ("auth = \"always\"", ""), NULL, 0, 0);
  h->capabilities.flags |= SMTP_CAP_XCLIENT;
  h->mechanisms = "PLAIN";
  harness_greet (h);
  h->data = (gpointer) "550 5.7.0 insufficient authorization";
  h->decide = refuse;
  assert_answers (h, "AUTH PLAIN AGEAYg==\n", "454");
  g_assert_null (strstr (h->commands->str, "AUTH"));
  assert_answers (h, "QUIT\n", "221");
}

int
main (int argc, char **argv)
{
  static const gchar *const refusals[]
      = { "550 5.7.0 insufficient authorization", "501 5.5.4 bad", "554 5.7.1 blocked",
          "450 4.7.1 greylisted", "502 5.5.1 what" };
  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
  base_log_set_sink (keep_line, NULL);
  g_test_add_func ("/gateway/introduce/said", test_said);
  g_test_add_func ("/gateway/introduce/lost", test_lost);
  g_test_add_func ("/gateway/introduce/told", test_what_we_were_told);
  g_test_add_func ("/gateway/introduce/not-offered", test_not_offered);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/gateway/introduce/refused/%.3s", refusals[i]);
      g_test_add_data_func (path, refusals[i], test_refused);
    }
  g_test_add_func ("/gateway/introduce/refused-later", test_refused_later);
  g_test_add_data_func ("/gateway/introduce/silent", NULL, test_silent);
  g_test_add_data_func ("/gateway/introduce/silent-gone", "", test_silent);
  g_test_add_func ("/gateway/introduce/offers-less", test_offers_less);
  g_test_add_func ("/gateway/introduce/before-auth", test_before_auth);
  g_test_add_func ("/gateway/introduce/auth-refused", test_auth_refused);
  gint result = g_test_run ();
  base_log_set_sink (NULL, NULL);
  g_string_free (logged, TRUE);
  return result;
}
