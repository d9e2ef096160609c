/* AUTH as it is relayed: what is offered to whom, each step both ways, the name that hooks and
 * trace field get, the connection that belongs to one user, and its loss. */
#include "harness.h"

#include <string.h>

#include "harness-upstream.h"

#define CONFIG(auth)                                                                               \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"other\", \"up\"] filters = [\"f\"]"   \
  " relay-from = [\"10.0.0.0/8\"] tls = \"starttls\" auth = \"" auth "\" }\n"                      \
  "tls { certificate = \"c.pem\" }\n"                                                              \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] reply = 30s }\n"                                  \
  "route \"other\" { for = [\"other.test\"] to = [\"smtp://127.0.0.1:26\"] }\n"                    \
  "filter \"f\" { module = \"f\" }\n"

#define PLAIN_JOE "AGpvZQBzZWNyZXQ=" /* NUL joe NUL secret */

static gboolean
note_user (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (harness->data != NULL)
    g_string_append_printf (harness->data, "%s/%s;", request->session.user,
                            request->session.mechanism);
  return TRUE;
}

static const gchar *
know_joe (Harness *harness, const gchar *event)
{
  static const gchar *const answers[][2] = {
    { "AUTH PLAIN " PLAIN_JOE, "235 2.7.0 welcome" },
    { "AUTH PLAIN", "334 " },
    { "AUTH_RESPONSE " PLAIN_JOE, "235 2.7.0 welcome" },
    { "AUTH LOGIN", "334 VXNlcm5hbWU6" },
    { "AUTH_RESPONSE am9l", "334 UGFzc3dvcmQ6" },
    { "AUTH_RESPONSE c2VjcmV0", "235 2.7.0 welcome" },
    { "AUTH SCRAM-SHA-256 biws", "334 cj0x" },
    { "AUTH_RESPONSE Yz1iaXdz", "235 2.7.0 welcome" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    if (g_str_equal (event, answers[i][0]))
      return answers[i][1];
  return g_str_has_prefix (event, "AUTH") ? "535 5.7.8 who are you" : NULL;
}

static Harness *
offering (const gchar *config, const gchar *mechanisms)
{
  static const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_MAIL) };
  Harness *h = harness_new (config, hooks, 1, 0);
  h->filter = note_user;
  h->mechanisms = mechanisms;
  h->decide = know_joe;
  harness_greet (h);
  return h;
}

static Harness *
always (void)
{
  return offering (CONFIG ("always"), "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL");
}

static void
logged_in (Harness *h)
{
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_assert_heard (h, "235 2.7.0 welcome\n");
}

/* ---- What is offered ---- */

static gchar *
offered_by (const gchar *config, const gchar *mechanisms, gboolean tls)
{
  g_autoptr (Harness) h = offering (config, mechanisms);
  if (tls)
    {
      harness_say (h, "STARTTLS\n");
      gateway_session_tls_started (h->session, "TLSv1.3", "X");
    }
  g_free (harness_heard (h));
  harness_say (h, "EHLO c\n");
  g_autofree gchar *heard = harness_heard (h);
  const gchar *line = strstr (heard, "AUTH");
  return line == NULL ? NULL : g_strndup (line, strcspn (line, "\n"));
}

static void
test_offer (void)
{
  static const gchar *const all = "PLAIN SCRAM-SHA-1 EXTERNAL SCRAM-SHA-1-PLUS login GSSAPI";
  g_autofree gchar *plain = offered_by (CONFIG ("always"), all, FALSE);
  g_autofree gchar *tls = offered_by (CONFIG ("tls"), all, TRUE);
  g_assert_cmpstr (plain, ==, "AUTH SCRAM-SHA-1 PLAIN LOGIN");
  g_assert_cmpstr (tls, ==, "AUTH SCRAM-SHA-1 PLAIN LOGIN");
  g_assert_null (offered_by (CONFIG ("tls"), all, FALSE));
  g_assert_null (offered_by (CONFIG ("off"), all, TRUE));
  g_assert_null (offered_by (CONFIG ("always"), NULL, FALSE));
  g_assert_null (offered_by (CONFIG ("always"), "EXTERNAL SCRAM-SHA-1-PLUS", FALSE));
}

static void
test_not_offered (void)
{
  g_autoptr (Harness) h = offering (CONFIG ("tls"), "PLAIN");
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_assert_code (h, "5");
  g_assert_cmpuint (h->connections, ==, 0);
}

static void
test_not_listed (gconstpointer line)
{
  g_autoptr (Harness) h = always ();
  harness_say (h, line);
  harness_assert_code (h, "50");
  g_assert_cmpuint (h->connections, ==, 0);
}

/* ---- Steps ---- */

typedef struct
{
  const gchar *say, *hear, *user;
} Exchange;

static const Exchange exchanges[] = {
  { "AUTH PLAIN " PLAIN_JOE "\n", "235 2.7.0 welcome\n", "joe/PLAIN;" },
  { "auth plain\n" PLAIN_JOE "\n", "334 \n235 2.7.0 welcome\n", "joe/PLAIN;" },
  { "AUTH LOGIN\nam9l\nc2VjcmV0\n", "334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n235 2.7.0 welcome\n",
    "joe/LOGIN;" },
  { "AUTH SCRAM-SHA-256 biws\nYz1iaXdz\n", "334 cj0x\n235 2.7.0 welcome\n",
    "authenticated/SCRAM-SHA-256;" },
};

/* The route of users, whatever the recipient's domain, and nobody is asked where it may relay. */
static void
test_steps (gconstpointer data)
{
  const Exchange *exchange = data;
  for (guint bytewise = 0; bytewise < 2; bytewise++)
    {
      g_autoptr (GString) users = g_string_new (NULL);
      g_autoptr (Harness) h = always ();
      h->data = users;
      bytewise ? harness_say_bytewise (h, exchange->say) : harness_say (h, exchange->say);
      harness_assert_heard (h, exchange->hear);
      harness_say (h, SAY_MAIL "RCPT TO:<x@other.test>\nRCPT TO:<y@far.test>\nDATA\n" SAY_BODY);
      g_assert_cmpuint (h->messages, ==, 1);
      g_assert_cmpstr (users->str, ==, exchange->user);
      g_assert_nonnull (strstr (h->message->str, " with ESMTPA id "));
      g_assert_null (strstr (h->message->str, "secret"));
    }
}

static void
test_nobody_may_not_relay (void)
{
  g_autoptr (Harness) h = always ();
  harness_say (h, SAY_MAIL "RCPT TO:<y@far.test>\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n554 5.7.1"));
}

static void
test_tls_in_trace_field (void)
{
  g_autoptr (Harness) h = offering (CONFIG ("tls"), "PLAIN");
  harness_say (h, "STARTTLS\n");
  gateway_session_tls_started (h->session, "TLSv1.3", "X");
  harness_say (h, "EHLO c\n");
  g_free (harness_heard (h));
  logged_in (h);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_nonnull (strstr (h->message->str, " with ESMTPSA id "));
}

static void
test_refused (void)
{
  g_autoptr (Harness) h = always ();
  for (guint i = 0; i < 3; i++)
    {
      g_assert_false (gateway_session_is_over (h->session));
      harness_say (h, "AUTH PLAIN AAAA\n");
      harness_assert_heard (h, "535 5.7.8 who are you\n");
      g_assert_null (gateway_session_upstream (h->session));
    }
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->given_back, ==, 0);
}

static void
test_refused_then_accepted (void)
{
  g_autoptr (Harness) h = always ();
  harness_say (h, "AUTH PLAIN AAAA\n");
  g_free (harness_heard (h));
  logged_in (h);
}

/* RFC 4954 section 4: lines of 12,288 octets, both ways. */
static void
test_long_lines (void)
{
  g_autoptr (Harness) h = always ();
  g_autofree gchar *challenge = g_strnfill (12288 - 6, 'c');
  g_autofree gchar *response = g_strnfill (12288 - 2, 'r');
  g_autofree gchar *asked = g_strconcat ("334 ", challenge, NULL);
  g_autofree gchar *answered = g_strconcat ("AUTH_RESPONSE ", response, NULL);
  g_autofree gchar *heard = g_strconcat (asked, "\n", NULL);
  g_autofree gchar *line = g_strconcat (response, "\n", NULL);
  harness_script (h, "AUTH SCRAM-SHA-256 eA==", asked);
  harness_script (h, answered, "235 2.7.0 welcome");
  h->decide = NULL;
  harness_say (h, "AUTH SCRAM-SHA-256 eA==\n");
  harness_assert_heard (h, heard);
  harness_say (h, line);
  harness_assert_heard (h, "235 2.7.0 welcome\n");
}

static void
test_cancelled (void)
{
  g_autoptr (Harness) h = always ();
  harness_say (h, "AUTH LOGIN\n*\n");
  harness_assert_heard (h, "334 VXNlcm5hbWU6\n501 5.7.0 Authentication cancelled\n");
  harness_say (h, "AUTH LOGIN\na b\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n501 5.5.2"));
  g_assert_null (gateway_session_upstream (h->session));
  logged_in (h);
}

/* ---- The connection ---- */

static void
test_no_password_in_plaintext (void)
{
  g_autoptr (Harness) h = always ();
  h->remote = TRUE;
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_assert_code (h, "454 4.7.0");
  g_assert_null (strstr (h->commands->str, "AUTH"));
}

static void
test_unreachable (void)
{
  g_autoptr (Harness) h = always ();
  h->unreachable = TRUE;
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_upstream_comes (h);
  harness_assert_code (h, "454 4.7.0");
  h->unreachable = FALSE;
  h->take_later = TRUE;
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_upstream_comes (h);
  harness_assert_heard (h, "235 2.7.0 welcome\n");
}

static void
test_client_leaves (gconstpointer later)
{
  g_autoptr (Harness) h = always ();
  h->take_later = later != NULL;
  harness_say (h, later != NULL ? "AUTH PLAIN " PLAIN_JOE "\n" : "AUTH LOGIN\n");
  gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->takes, ==, 0);
}

/* One connection for all the user's messages, and nobody else gets it. */
static void
test_bound (void)
{
  g_autoptr (Harness) h = always ();
  logged_in (h);
  for (guint i = 0; i < 2; i++)
    {
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
      harness_say (h, SAY_MAIL SAY_RCPT "RSET\n");
      harness_say (h, SAY_MAIL "RCPT TO:<c@up.test>\nEHLO again\n");
    }
  g_assert_cmpuint (h->messages, ==, 2);
  g_assert_cmpuint (h->connections, ==, 1);
  harness_say (h, "QUIT\n");
  g_assert_true (gateway_session_is_over (h->session));
  gateway_session_free (g_steal_pointer (&h->session));
  g_assert_cmpuint (h->given_back, ==, 0);
  g_assert_cmpuint (h->dropped, ==, 1);
}

static void
test_lost_between_messages (void)
{
  g_autoptr (Harness) h = always ();
  logged_in (h);
  harness_upstream_says (h, "421 4.3.2 going down\r\n");
  harness_assert_code (h, "421 4.4.2");
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->connections, ==, 1);
}

static void
test_lost_at (gconstpointer event)
{
  g_autoptr (Harness) h = always ();
  logged_in (h);
  h->decide = NULL;
  harness_script (h, event, "close");
  harness_say (h, SAY_MAIL SAY_RCPT);
  harness_say (h, "DATA\n");
  harness_say (h, SAY_BODY);
  harness_say (h, "NOOP\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n421 4.4.2"));
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpuint (h->connections, ==, 1);
}

static void
test_lost_in_exchange (void)
{
  g_autoptr (Harness) h = always ();
  harness_say (h, "AUTH LOGIN\n");
  g_free (harness_heard (h));
  harness_upstream_says (h, "421 4.3.2 going down\r\n");
  harness_say (h, "am9l\n");
  harness_assert_code (h, "454 4.7.0");
  logged_in (h);
}

static void
test_silent (void)
{
  g_autoptr (Harness) h = always ();
  h->decide = NULL;
  harness_script (h, "AUTH PLAIN " PLAIN_JOE, "stall");
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_pass_time (h, 30001);
  harness_assert_code (h, "454 4.7.0");
  g_assert_null (gateway_session_upstream (h->session));
}

/* Where the upstream takes chunks, RSET between two of them keeps the user's connection. */
static void
test_rset_between_chunks (void)
{
  g_autoptr (Harness) h = offering (CONFIG ("always"), "PLAIN LOGIN");
  h->capabilities.flags |= SMTP_CAP_CHUNKING;
  harness_say (h, "AUTH PLAIN " PLAIN_JOE "\n");
  harness_assert_code (h, "235 ");
  harness_say (h, SAY_MAIL SAY_RCPT "BDAT 8\na: b\n\nRSET\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpuint (h->connections, ==, 1);
  g_assert_cmpuint (h->dropped, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/auth/offer", test_offer);
  g_test_add_func ("/gateway/auth/not-offered", test_not_offered);
  g_test_add_data_func ("/gateway/auth/external", "AUTH EXTERNAL =\n", test_not_listed);
  g_test_add_data_func ("/gateway/auth/plus", "AUTH SCRAM-SHA-256-PLUS\n", test_not_listed);
  for (guint i = 0; i < G_N_ELEMENTS (exchanges); i++)
    {
      g_autofree gchar *name = g_strdup_printf ("/gateway/auth/steps/%u", i);
      g_test_add_data_func (name, &exchanges[i], test_steps);
    }
  g_test_add_func ("/gateway/auth/nobody", test_nobody_may_not_relay);
  g_test_add_func ("/gateway/auth/trace-field", test_tls_in_trace_field);
  g_test_add_func ("/gateway/auth/refused", test_refused);
  g_test_add_func ("/gateway/auth/second-try", test_refused_then_accepted);
  g_test_add_func ("/gateway/auth/cancelled", test_cancelled);
  g_test_add_func ("/gateway/auth/long-lines", test_long_lines);
  g_test_add_func ("/gateway/auth/plaintext", test_no_password_in_plaintext);
  g_test_add_func ("/gateway/auth/unreachable", test_unreachable);
  g_test_add_data_func ("/gateway/auth/client-leaves", NULL, test_client_leaves);
  g_test_add_data_func ("/gateway/auth/client-leaves-early", "", test_client_leaves);
  g_test_add_func ("/gateway/auth/bound", test_bound);
  g_test_add_func ("/gateway/auth/lost/idle", test_lost_between_messages);
  g_test_add_data_func ("/gateway/auth/lost/mail", "MAIL", test_lost_at);
  g_test_add_data_func ("/gateway/auth/lost/data", "DATA", test_lost_at);
  g_test_add_data_func ("/gateway/auth/lost/end", "END", test_lost_at);
  g_test_add_func ("/gateway/auth/lost/exchange", test_lost_in_exchange);
  g_test_add_func ("/gateway/auth/silent", test_silent);
  g_test_add_func ("/gateway/auth/rset-between-chunks", test_rset_between_chunks);
  return g_test_run ();
}
