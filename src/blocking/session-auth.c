/* AUTH for a session (RFC 4954): PLAIN and LOGIN, whose name and password go to the `auth` hook. A
 * response that can not be read is refused with a typed reply; passwords are wiped once they have
 * been looked at. */
#include "blocking/session.h"

#include <string.h>

#define FAILURES                                                                                   \
  5 /* of one session; then it is closed (RFC 4954 section 4 leaves the number open) */
#define ASK_USER "VXNlcm5hbWU6"
#define ASK_PASSWORD "UGFzc3dvcmQ6"

static void
wipe (gchar *secret, gsize length)
{
  if (secret != NULL)
    explicit_bzero (secret, length);
  g_free (secret);
}

/* Strict base64, where "=" alone is the empty string (RFC 4954 section 4). NULL: it is none. */
static gchar *
decode (const gchar *text, gsize *length)
{
  static const gchar letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  gsize used = strlen (text);
  gsize data = strspn (text, letters);
  gchar *decoded;

  *length = 0;
  if (strcmp (text, "=") == 0 || used == 0)
    return g_strdup ("");
  if (used % 4 != 0 || used - data > 2 || strspn (text + data, "=") != used - data)
    return NULL;
  decoded = (gchar *) g_base64_decode (text, length);
  decoded = g_realloc (decoded, *length + 1);
  decoded[*length] = '\0';
  return decoded;
}

gchar *
blocking_auth_mechanisms (const WeirSession *session)
{
  gboolean safe = session->tls != NULL || session->settings->auth_in_plaintext;

  return session->hooks.auth != NULL && safe ? g_strdup ("PLAIN LOGIN") : NULL;
}

static void
forget_exchange (WeirSession *session)
{
  g_clear_pointer (&session->auth_user, g_free);
  session->auth_login = FALSE;
}

void
blocking_auth_forget (WeirSession *session)
{
  forget_exchange (session);
  g_clear_pointer (&session->user, g_free);
}

static void
answer (WeirSession *session, const BaseReply *reply)
{
  gboolean too_often = reply->code >= 500 && ++session->auth_failures >= FAILURES;

  forget_exchange (session);
  if (too_often || session->closing)
    smtp_server_answer_close (session->machine, reply);
  else
    smtp_server_answer (session->machine, reply);
}

/* A hook's reply of the other class is not taken for what it did not mean. */
static BaseReply *
reply_of (WeirSession *session, gboolean right)
{
  g_autoptr (BaseReply) theirs = g_steal_pointer (&session->reply);

  if (right && (theirs == NULL || theirs->code < 400))
    return base_reply_new (235, 2, 7, 0,
                           theirs != NULL && theirs->text != NULL ? theirs->text
                                                                  : "Authentication succeeded");
  if (theirs != NULL && theirs->code >= 400)
    return g_steal_pointer (&theirs);
  return base_reply_new (535, 5, 7, 8, "Authentication credentials invalid");
}

static void
judge (WeirSession *session, const gchar *user, const gchar *password)
{
  g_autoptr (BaseReply) reply = NULL;
  gboolean right;

  session->answerable = TRUE;
  right = *user != '\0' && session->hooks.auth (session, user, password, session->data);
  session->answerable = FALSE;
  reply = reply_of (session, right);
  if (reply->code == 235)
    {
      g_free (session->user);
      session->user = g_strdup (user);
    }
  answer (session, reply);
}

static void
refuse_response (WeirSession *session)
{
  answer (session, BASE_REPLY (501, 5, 5, 2, "Cannot decode the response"));
}

/* RFC 4616: [authzid] NUL authcid NUL passwd; to act for somebody else is nobody's right here. */
static void
take_plain (WeirSession *session, const gchar *response)
{
  gsize length = 0;
  gchar *text = decode (response, &length);
  gsize first = text != NULL ? strlen (text) : 0;
  const gchar *user = text != NULL && first < length ? text + first + 1 : NULL;
  const gchar *password
      = user != NULL && user + strlen (user) < text + length ? user + strlen (user) + 1 : NULL;

  if (password == NULL || password + strlen (password) != text + length
      || !g_utf8_validate (user, -1, NULL))
    refuse_response (session);
  else if (first > 0 && strcmp (text, user) != 0)
    answer (session, BASE_REPLY (535, 5, 7, 8, "Not authorized to act for that user"));
  else
    judge (session, user, password);
  wipe (text, length);
}

static void
take_login (WeirSession *session, const gchar *response)
{
  gsize length = 0;
  gchar *text = decode (response, &length);

  if (text == NULL || strlen (text) != length || !g_utf8_validate (text, -1, NULL))
    refuse_response (session);
  else if (session->auth_user == NULL)
    {
      session->auth_user = g_strdup (text);
      smtp_server_auth_challenge (session->machine, ASK_PASSWORD);
    }
  else
    judge (session, session->auth_user, text);
  wipe (text, length);
}

static void
take_response (WeirSession *session, const gchar *response)
{
  if (session->auth_login)
    take_login (session, response);
  else
    take_plain (session, response);
}

WeirStep
blocking_session_take_auth (WeirSession *session, const SmtpServerEvent *event)
{
  gboolean begins = event->type == SMTP_SERVER_AUTH;

  if (begins)
    session->auth_login = strcmp (event->argument, "LOGIN") == 0;
  if (begins && event->initial != NULL)
    take_response (session, event->initial);
  else if (begins)
    smtp_server_auth_challenge (session->machine, session->auth_login ? ASK_USER : "");
  else if (event->fault != SMTP_FAULT_NONE || strcmp (event->argument, "*") == 0)
    {
      g_autoptr (BaseReply) reply = smtp_server_default_reply (event, session->settings->hostname);

      answer (session, reply);
    }
  else
    take_response (session, event->argument);
  return WEIR_STEP_AUTH;
}
