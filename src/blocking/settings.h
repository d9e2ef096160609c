/* The settings of a server with their defaults filled in, shared by it and its sessions. */
#pragma once

#include <mailweir/smtp.h>

#include <openssl/ssl.h>

#include "smtp/server.h"

typedef struct
{
  gint references;
  gchar *hostname;
  SmtpServerLimits limits;
  guint header_size;
  guint command_timeout; /* milliseconds, like those below */
  guint data_timeout;
  guint session_timeout; /* 0: none */
  gsize memory;
  gchar *spool_directory; /* NULL: the folder for temporary files */
  SSL_CTX *tls;           /* NULL: no TLS */
  gboolean implicit_tls;
  gboolean auth_in_plaintext;
  gboolean require_auth;
  gboolean dsn;
} BlockingSettings;

/* `settings` NULL: the defaults. NULL: WEIR_ERROR_TLS. */
BlockingSettings *blocking_settings_new (const WeirSettings *settings, GError **error);
BlockingSettings *blocking_settings_ref (BlockingSettings *settings);
void blocking_settings_unref (BlockingSettings *settings); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BlockingSettings, blocking_settings_unref)
