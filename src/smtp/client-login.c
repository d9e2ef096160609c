/* A login of our own (RFC 4954): SCRAM-SHA-256 where it is offered, else PLAIN, else LOGIN; the
 * machine answers the challenges. What a server asks that can not be answered is cancelled; one
 * that lets us in without the proof that SCRAM owes fails the connection (451 4.7.0). */
#include "smtp/client-private.h"

#include <string.h>
#include <sys/random.h>

static void
free_secret (gchar *secret)
{
  if (secret != NULL)
    explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

void
smtp_client_forget_login (SmtpClient *client)
{
  if (client->login == NULL)
    return;
  g_free (client->login->user);
  free_secret (client->login->password);
  smtp_scram_free (client->login->scram);
  g_clear_pointer (&client->login, g_free);
}

/* ---- The answers to challenges; NULL: none. Caller frees them as secrets. ---- */

/* LOGIN asks for the user, then for the password (draft-murchison-sasl-login). */
static gchar *
answer_login (SmtpClientLogin *login, const gchar *challenge)
{
  return login->step > 1 ? NULL : g_strdup (login->step == 0 ? login->user : login->password);
}

/* Behind PLAIN's only response there is no question that we can answer. */
static gchar *
answer_plain (SmtpClientLogin *login, const gchar *challenge)
{
  return NULL;
}

static gchar *
answer_scram (SmtpClientLogin *login, const gchar *challenge)
{
  if (login->step == 0)
    return smtp_scram_final (login->scram, challenge);
  login->proven = login->step == 1 && smtp_scram_verify (login->scram, challenge);
  return login->proven ? g_strdup ("") : NULL;
}

/* ---- The initial responses; NULL: none ---- */

/* RFC 4616: no authorization identity. */
static gchar *
begin_plain (SmtpClientLogin *login)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) "", 1);
  g_byte_array_append (bytes, (const guint8 *) login->user, (guint) strlen (login->user) + 1);
  g_byte_array_append (bytes, (const guint8 *) login->password, (guint) strlen (login->password));
  gchar *encoded = g_base64_encode (bytes->data, bytes->len);
  explicit_bzero (bytes->data, bytes->len);
  return encoded;
}

static gchar *
begin_scram (SmtpClientLogin *login)
{
  guint8 random[18];

  if (getrandom (random, sizeof random, 0) != sizeof random)
    g_error ("the system has no random octets");
  g_autofree gchar *nonce = g_base64_encode (random, sizeof random);
  login->scram = smtp_scram_new (login->user, login->password, nonce);
  g_autofree gchar *first = smtp_scram_first (login->scram);
  return g_base64_encode ((const guint8 *) first, strlen (first));
}

static gchar *
begin_login (SmtpClientLogin *login)
{
  return NULL;
}

struct _SmtpClientMechanism
{
  const gchar *name;
  gchar *(*begin) (SmtpClientLogin *login);
  gchar *(*answer) (SmtpClientLogin *login, const gchar *challenge);
};

/* The best first. */
static const SmtpClientMechanism mechanisms[] = { { "SCRAM-SHA-256", begin_scram, answer_scram },
                                                  { "PLAIN", begin_plain, answer_plain },
                                                  { "LOGIN", begin_login, answer_login } };

static gchar *
decode (const gchar *text)
{
  gsize length = 0;
  g_autofree guchar *bytes = text != NULL && *text != '\0' ? g_base64_decode (text, &length) : NULL;

  return bytes == NULL ? g_strdup ("") : g_strndup ((const gchar *) bytes, length);
}

void
smtp_client_answer_login (SmtpClient *client)
{
  SmtpClientLogin *login = client->login;
  g_autofree gchar *challenge = decode (client->reply->text);
  gchar *answer = login->mechanism->answer (login, challenge);
  gchar *encoded
      = answer == NULL ? NULL : g_base64_encode ((const guchar *) answer, strlen (answer));

  login->step++;
  smtp_client_respond (client, encoded != NULL ? encoded : "*");
  free_secret (encoded);
  free_secret (answer);
}

gboolean
smtp_client_is_proven (const SmtpClient *client)
{
  return client->login == NULL || client->login->scram == NULL || client->login->proven
         || client->reply->code != 235;
}

static gboolean
has_mechanism (const SmtpClient *client, const gchar *mechanism)
{
  g_auto (GStrv) words = g_strsplit (client->auth != NULL ? client->auth : "", " ", -1);

  for (gchar **word = words; *word != NULL; word++)
    if (g_ascii_strcasecmp (*word, mechanism) == 0)
      return TRUE;
  return FALSE;
}

gboolean
smtp_client_login (SmtpClient *client, const gchar *user, const gchar *password, guint tag)
{
  guint best = 0;

  if (client->failure != NULL)
    return TRUE;
  g_return_val_if_fail (client->login == NULL, FALSE);
  while (best < G_N_ELEMENTS (mechanisms) && !has_mechanism (client, mechanisms[best].name))
    best++;
  if (best == G_N_ELEMENTS (mechanisms))
    return FALSE;
  client->login = g_new0 (SmtpClientLogin, 1);
  client->login->mechanism = &mechanisms[best];
  client->login->user = g_strdup (user);
  client->login->password = g_strdup (password);
  gchar *initial = mechanisms[best].begin (client->login);
  smtp_client_auth (client, mechanisms[best].name, initial, tag);
  free_secret (initial);
  return TRUE;
}
