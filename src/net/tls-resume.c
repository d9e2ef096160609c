/* Resuming TLS towards upstreams: the last session of a context is kept and used once, for the same
 * name alone (a resumed session is not verified again). What can not be kept is a full handshake
 * more, nothing else. */
#include "net/tls-resume.h"

typedef struct
{
  GMutex mutex;
  gchar *name;
  SSL_SESSION *session; /* NULL: none */
} Kept;

static int context_index = -1, ssl_index = -1;

static void
free_kept (void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
  Kept *kept = data;

  if (kept == NULL)
    return;
  SSL_SESSION_free (kept->session);
  g_free (kept->name);
  g_mutex_clear (&kept->mutex);
  g_free (kept);
}

static void
free_name (void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
  g_free (data);
}

/* A new session, or ticket. Takes it. */
static int
keep (SSL *ssl, SSL_SESSION *session)
{
  Kept *kept = SSL_CTX_get_ex_data (SSL_get_SSL_CTX (ssl), context_index);

  g_mutex_lock (&kept->mutex);
  SSL_SESSION_free (kept->session);
  g_free (kept->name);
  kept->session = session;
  kept->name = g_strdup (SSL_get_ex_data (ssl, ssl_index));
  g_mutex_unlock (&kept->mutex);
  return 1;
}

void
net_tls_keep_sessions (SSL_CTX *context)
{
  static gsize made = 0;
  Kept *kept = g_new0 (Kept, 1);

  if (g_once_init_enter (&made))
    {
      context_index = SSL_CTX_get_ex_new_index (0, NULL, NULL, NULL, free_kept);
      ssl_index = SSL_get_ex_new_index (0, NULL, NULL, NULL, free_name);
      g_once_init_leave (&made, 1);
    }
  g_mutex_init (&kept->mutex);
  SSL_CTX_set_ex_data (context, context_index, kept);
  SSL_CTX_set_session_cache_mode (context,
                                  SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb (context, keep);
}

void
net_tls_resume (SSL *ssl, const gchar *name)
{
  Kept *kept = SSL_CTX_get_ex_data (SSL_get_SSL_CTX (ssl), context_index);
  SSL_SESSION *session = NULL;

  SSL_set_ex_data (ssl, ssl_index, g_strdup (name));
  g_mutex_lock (&kept->mutex);
  if (kept->session != NULL && g_str_equal (kept->name, name))
    session = g_steal_pointer (&kept->session);
  g_mutex_unlock (&kept->mutex);
  if (session != NULL && SSL_SESSION_is_resumable (session))
    SSL_set_session (ssl, session);
  SSL_SESSION_free (session);
}
