/* XCLIENT to an upstream whose route says so: it is to see our client and not us. Where it does not
 * take that name from us, nothing is sent to it at all, for it would judge the wrong client: 451,
 * and a line in the log. What it says to the name itself is its judgement, and our client hears it.
 */
#include "gateway/upstream.h"

#include <string.h>

static const BaseReply not_taken
    = { 451, { 4, 3, 5 }, (gchar *) "The next server does not take our word on who you are" };

static gboolean
is_offered (const GatewaySession *session)
{
  const gchar *names = smtp_client_xclient_names (session->upstream->client);
  g_auto (GStrv) words = g_strsplit (names != NULL ? names : "", " ", -1);
  for (guint i = 0; words[i] != NULL; i++)
    if (g_ascii_strcasecmp (words[i], "ADDR") == 0)
      return TRUE;
  return FALSE;
}

static void
fail (GatewaySession *session, const BaseReply *reply, gboolean reusable)
{
  GatewayTransaction *tx = session->tx;
  upstream_give (session, reusable);
  if (session->auth == AUTH_RUNNING)
    auth_lost (session);
  if (tx == NULL || tx->up != UP_INTRODUCING)
    return;
  tx->up = UP_NONE;
  upstream_doom (session, envelope_accepted (tx) > 0 ? &not_taken : reply);
}

static void
complain (const GatewaySession *session, const gchar *why)
{
  base_log (BASE_LOG_WARNING, "session=%s %s does not let us speak for our client: %s", session->id,
            session->upstream->name, why);
}

static void
say (GatewaySession *session)
{
  const BaseEndpoint client = session_client (session);
  const BaseEndpoint server = base_peer_endpoint (&session->our_end);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (list, upstream_attribute ("NAME", session->client_name));
  g_ptr_array_add (list, upstream_address ("ADDR", &client));
  g_ptr_array_add (list, upstream_port ("PORT", &client));
  g_ptr_array_add (list, upstream_attribute ("PROTO", session->esmtp ? "ESMTP" : "SMTP"));
  g_ptr_array_add (list, upstream_attribute ("HELO", session->helo));
  g_ptr_array_add (list, upstream_attribute ("LOGIN", session->user));
  g_ptr_array_add (list, upstream_address ("DESTADDR", &server));
  g_ptr_array_add (list, upstream_port ("DESTPORT", &server));
  g_ptr_array_add (list, NULL);
  session->upstream->introduced = session->upstream->personal = TRUE;
  if (session->helo != NULL)
    smtp_client_set_hello (session->upstream->client, session->helo);
  smtp_client_xclient (session->upstream->client, (const gchar *const *) list->pdata, 0);
  upstream_wait (session, session->upstream_route->reply);
}

gboolean
introduce_say (GatewaySession *session)
{
  if (!session->upstream_route->xclient || session->upstream->introduced)
    return FALSE;
  if (session->auth != AUTH_RUNNING)
    session->tx->up = UP_INTRODUCING;
  if (is_offered (session))
    say (session);
  else
    {
      complain (session, "it does not offer XCLIENT with ADDR");
      fail (session, &not_taken, TRUE);
    }
  return TRUE;
}

/* 554 and 4xx are how a server turns a client away (RFC 5321 section 3.1); any other refusal is of
 * the command. */
void
introduce_reply (GatewaySession *session, const BaseReply *reply)
{
  if (base_reply_is_positive (reply))
    return;
  g_autoptr (BaseReply) refusal = base_reply_copy (reply);
  gboolean judged = refusal->code < 500 || refusal->code == 554;
  g_autofree gchar *text = base_reply_to_string (refusal);
  if (!judged)
    complain (session, text);
  fail (session, judged ? refusal : &not_taken, FALSE);
}

void
introduce_ready (GatewaySession *session)
{
  session->up_until = 0;
  if (session->auth == AUTH_RUNNING)
    auth_go_on (session);
  else if (session->tx != NULL && session->tx->up == UP_INTRODUCING)
    upstream_send_envelope (session);
}
