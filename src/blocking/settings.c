/* Fills in the defaults of a server's settings. Fails only where a certificate or key cannot be
 * used. */
#include "blocking/settings.h"

#include <string.h>

#include "blocking/client.h"
#include "blocking/tls.h"

#define MESSAGE_SIZE (50 * 1024 * 1024)
#define RECIPIENTS 1000
#define LINE_LENGTH 2048
#define HEADER_SIZE (1024 * 1024)
#define BAD_COMMANDS 20
#define COMMAND_TIMEOUT (5 * 60 * 1000)
#define DATA_TIMEOUT (3 * 60 * 1000)
#define MEMORY (1024 * 1024)

static void
set_limits (BlockingSettings *settings, const WeirSettings *given)
{
  SmtpServerLimits *limits = &settings->limits;

  limits->message_size = given->message_size > 0 ? given->message_size : MESSAGE_SIZE;
  limits->recipients = given->recipients > 0 ? given->recipients : RECIPIENTS;
  limits->line_length = given->line_length > 0 ? given->line_length : LINE_LENGTH;
  limits->text_line_length = given->text_line_length;
  limits->bad_commands = given->bad_commands > 0 ? given->bad_commands : BAD_COMMANDS;
  limits->newlines = given->normalize_newlines ? SMTP_NEWLINES_NORMALIZE : SMTP_NEWLINES_REFUSE;
  limits->require_helo = given->require_helo;
  limits->require_tls = given->require_tls;
  settings->header_size = given->header_size > 0 ? given->header_size : HEADER_SIZE;
}

static gboolean
set_tls (BlockingSettings *settings, const WeirSettings *given, GError **error)
{
  settings->implicit_tls = given->implicit_tls;
  if (given->certificate != NULL)
    {
      settings->tls = blocking_tls_server_context_new (given->certificate, given->key, error);
      return settings->tls != NULL;
    }
  if (!given->implicit_tls && !given->require_tls)
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_TLS, "TLS needs a certificate");
  return FALSE;
}

BlockingSettings *
blocking_settings_new (const WeirSettings *settings, GError **error)
{
  g_autoptr (BlockingSettings) filled = g_new0 (BlockingSettings, 1);
  WeirSettings given = { 0 };

  /* A program that was built with an older header knows fewer members. */
  if (settings != NULL)
    memcpy (&given, settings, MIN (settings->size, sizeof given));
  filled->references = 1;
  filled->hostname = given.hostname != NULL ? g_strdup (given.hostname) : blocking_own_name ();
  set_limits (filled, &given);
  filled->command_timeout = given.command_timeout > 0 ? given.command_timeout : COMMAND_TIMEOUT;
  filled->data_timeout = given.data_timeout > 0 ? given.data_timeout : DATA_TIMEOUT;
  filled->session_timeout = given.session_timeout;
  filled->auth_in_plaintext = given.auth_in_plaintext;
  filled->require_auth = given.require_auth;
  filled->dsn = given.dsn;
  filled->memory = given.memory > 0 ? given.memory : MEMORY;
  filled->spool_directory = g_strdup (given.spool_directory);
  return set_tls (filled, &given, error) ? g_steal_pointer (&filled) : NULL;
}

BlockingSettings *
blocking_settings_ref (BlockingSettings *settings)
{
  g_atomic_int_inc (&settings->references);
  return settings;
}

void
blocking_settings_unref (BlockingSettings *settings)
{
  if (settings == NULL || !g_atomic_int_dec_and_test (&settings->references))
    return;
  SSL_CTX_free (settings->tls);
  g_free (settings->hostname);
  g_free (settings->spool_directory);
  g_free (settings);
}
