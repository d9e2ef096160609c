/* SCRAM-SHA-256 (RFC 5802, RFC 7677) on GLib's hashes. A server that asks for too little or too
 * much work, or changes our nonce, gets no answer. */
#include "smtp/scram.h"

#include <string.h>

#define HASH 32 /* octets of SHA-256 */

struct _SmtpScram
{
  gchar *bare; /* the first message without its GS2 header */
  gchar *nonce;
  gchar *password;
  guint8 server_signature[HASH];
  gboolean answered;
};

static void
hmac (const guint8 *key, gsize key_length, const guint8 *bytes, gsize length, guint8 out[HASH])
{
  GHmac *mac = g_hmac_new (G_CHECKSUM_SHA256, key, key_length);
  gsize size = HASH;

  g_hmac_update (mac, bytes, (gssize) length);
  g_hmac_get_digest (mac, out, &size);
  g_hmac_unref (mac);
}

static void
hash (const guint8 *bytes, gsize length, guint8 out[HASH])
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = HASH;

  g_checksum_update (sum, bytes, (gssize) length);
  g_checksum_get_digest (sum, out, &size);
  g_checksum_free (sum);
}

/* RFC 5802 section 2.2: Hi(). The key's share of each round is computed once. */
static void
salt_password (const gchar *password, const guint8 *salt, gsize length, guint iterations,
               guint8 out[HASH])
{
  static const guint8 one[] = { 0, 0, 0, 1 };
  GHmac *keyed = g_hmac_new (G_CHECKSUM_SHA256, (const guint8 *) password, strlen (password));
  guint8 round[HASH];

  for (guint i = 0; i < iterations; i++)
    {
      GHmac *mac = g_hmac_copy (keyed);
      gsize size = HASH;
      g_hmac_update (mac, i == 0 ? salt : round, i == 0 ? (gssize) length : HASH);
      if (i == 0)
        g_hmac_update (mac, one, sizeof one);
      g_hmac_get_digest (mac, round, &size);
      g_hmac_unref (mac);
      for (guint j = 0; j < HASH; j++)
        out[j] = i == 0 ? round[j] : out[j] ^ round[j];
    }
  g_hmac_unref (keyed);
  explicit_bzero (round, sizeof round);
}

/* RFC 5802 section 5.1: "," and "=" in a user's name. */
static gchar *
escape (const gchar *user)
{
  GString *text = g_string_new (NULL);

  for (; *user != '\0'; user++)
    if (*user == ',' || *user == '=')
      g_string_append (text, *user == ',' ? "=2C" : "=3D");
    else
      g_string_append_c (text, *user);
  return g_string_free (text, FALSE);
}

/* What of SASLprep (RFC 4013) matters beyond ASCII. */
static gchar *
prepare (const gchar *text)
{
  gchar *normal
      = g_utf8_validate (text, -1, NULL) ? g_utf8_normalize (text, -1, G_NORMALIZE_NFKC) : NULL;

  return normal != NULL ? normal : g_strdup (text);
}

SmtpScram *
smtp_scram_new (const gchar *user, const gchar *password, const gchar *nonce)
{
  SmtpScram *scram = g_new0 (SmtpScram, 1);
  g_autofree gchar *prepared = prepare (user);
  g_autofree gchar *name = escape (prepared);

  scram->nonce = g_strdup (nonce);
  scram->password = prepare (password);
  scram->bare = g_strdup_printf ("n=%s,r=%s", name, nonce);
  return scram;
}

void
smtp_scram_free (SmtpScram *scram)
{
  if (scram == NULL)
    return;
  explicit_bzero (scram->password, strlen (scram->password));
  g_free (scram->password);
  g_free (scram->bare);
  g_free (scram->nonce);
  g_free (scram);
}

gchar *
smtp_scram_first (const SmtpScram *scram)
{
  return g_strconcat ("n,,", scram->bare, NULL);
}

/* "r=nonce,s=salt,i=iterations"; what may stand behind is of no meaning to us. */
typedef struct
{
  const gchar *nonce;
  guint8 *salt;
  gsize salt_length;
  guint64 iterations;
} Challenge;

static gboolean
read_challenge (const SmtpScram *scram, gchar **parts, Challenge *challenge)
{
  if (g_strv_length (parts) < 3 || !g_str_has_prefix (parts[0], "r=")
      || !g_str_has_prefix (parts[1], "s=") || !g_str_has_prefix (parts[2], "i="))
    return FALSE;
  challenge->nonce = parts[0] + 2;
  if (!g_str_has_prefix (challenge->nonce, scram->nonce)
      || strlen (challenge->nonce) == strlen (scram->nonce))
    return FALSE;
  if (!g_ascii_string_to_unsigned (parts[2] + 2, 10, SMTP_SCRAM_LEAST_ITERATIONS,
                                   SMTP_SCRAM_MOST_ITERATIONS, &challenge->iterations, NULL))
    return FALSE;
  challenge->salt = g_base64_decode (parts[1] + 2, &challenge->salt_length);
  return challenge->salt_length > 0 && challenge->salt_length <= SMTP_SCRAM_MAX_SALT;
}

/* RFC 5802 section 3. Returns the proof in base64, and keeps what the server must say. */
static gchar *
prove (SmtpScram *scram, const Challenge *challenge, const gchar *message)
{
  static const guint8 client[] = "Client Key", server[] = "Server Key";
  guint8 salted[HASH], client_key[HASH], stored_key[HASH], server_key[HASH], signature[HASH];

  salt_password (scram->password, challenge->salt, challenge->salt_length,
                 (guint) challenge->iterations, salted);
  hmac (salted, HASH, client, sizeof client - 1, client_key);
  hmac (salted, HASH, server, sizeof server - 1, server_key);
  hash (client_key, HASH, stored_key);
  hmac (stored_key, HASH, (const guint8 *) message, strlen (message), signature);
  hmac (server_key, HASH, (const guint8 *) message, strlen (message), scram->server_signature);
  for (guint i = 0; i < HASH; i++)
    client_key[i] ^= signature[i];
  gchar *proof = g_base64_encode (client_key, HASH);
  explicit_bzero (salted, sizeof salted);
  explicit_bzero (client_key, sizeof client_key);
  explicit_bzero (server_key, sizeof server_key);
  return proof;
}

gchar *
smtp_scram_final (SmtpScram *scram, const gchar *server_first)
{
  g_auto (GStrv) parts = g_strsplit (server_first, ",", -1);
  Challenge challenge = { 0 };
  gboolean good = !scram->answered && read_challenge (scram, parts, &challenge);
  g_autofree guint8 *salt G_GNUC_UNUSED = challenge.salt; /* only to be freed */

  if (!good)
    return NULL;
  scram->answered = TRUE;
  g_autofree gchar *without = g_strdup_printf ("c=biws,r=%s", challenge.nonce); /* biws: "n,," */
  g_autofree gchar *message = g_strjoin (",", scram->bare, server_first, without, NULL);
  g_autofree gchar *proof = prove (scram, &challenge, message);
  return g_strconcat (without, ",p=", proof, NULL);
}

gboolean
smtp_scram_verify (const SmtpScram *scram, const gchar *server_final)
{
  g_autofree gchar *value = g_strndup (server_final, strcspn (server_final, ","));
  gsize length = 0;
  guint8 differs = 0;

  if (!scram->answered || !g_str_has_prefix (value, "v="))
    return FALSE;
  g_autofree guint8 *signature = g_base64_decode (value + 2, &length);
  for (gsize i = 0; i < HASH && length == HASH; i++)
    differs |= signature[i] ^ scram->server_signature[i];
  return length == HASH && differs == 0;
}
