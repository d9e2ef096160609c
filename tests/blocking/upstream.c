/* A server in a thread; see the header. */
#include "upstream.h"

static void
on_rcpt (WeirSession *session, const char *recipient, gpointer data)
{
  if (g_str_has_prefix (recipient, "bad"))
    weir_session_reply (session, 550, "5.1.1", "No such\nuser");
  if (g_str_has_prefix (recipient, "later"))
    weir_session_reply (session, 450, "4.2.1", "Mailbox busy");
}

static const WeirHooks hooks = { .size = sizeof hooks, .rcpt = on_rcpt };

static void
serve (Upstream *upstream, WeirSession *session)
{
  weir_session_set_hooks (session, upstream->hooks, NULL);
  upstream->sessions++;
  while (weir_session_process (session, NULL))
    {
      g_ptr_array_add (upstream->mails, weir_mail_ref (weir_session_mail (session)));
      g_string_assign (upstream->tls, weir_session_tls (session) != NULL ? "yes" : "no");
      if (upstream->answer != NULL)
        weir_session_reply (session, (guint) g_ascii_strtoull (upstream->answer, NULL, 10), NULL,
                            "%s", upstream->answer + 4);
    }
}

static gpointer
run (gpointer data)
{
  Upstream *upstream = data;
  WeirSession *session;

  while ((session = weir_server_accept (upstream->server, NULL)) != NULL)
    {
      serve (upstream, session);
      weir_session_free (session);
    }
  return NULL;
}

Upstream *
upstream_start (const WeirSettings *settings)
{
  return upstream_start_with (settings, &hooks);
}

Upstream *
upstream_start_with (const WeirSettings *settings, const WeirHooks *own)
{
  Upstream *upstream = g_new0 (Upstream, 1);
  g_autoptr (GError) error = NULL;

  upstream->server = weir_server_new ("127.0.0.1", "0", settings, &error);
  g_assert_no_error (error);
  upstream->hooks = own;
  upstream->port = g_string_new (NULL);
  g_string_printf (upstream->port, "%u", weir_server_port (upstream->server));
  upstream->mails = g_ptr_array_new_with_free_func ((GDestroyNotify) weir_mail_unref);
  upstream->tls = g_string_new (NULL);
  upstream->thread = g_thread_new ("upstream", run, upstream);
  return upstream;
}

void
upstream_stop (Upstream *upstream)
{
  weir_server_stop (upstream->server);
  if (upstream->thread != NULL)
    g_thread_join (g_steal_pointer (&upstream->thread));
}

void
upstream_free (Upstream *upstream)
{
  upstream_stop (upstream);
  weir_server_free (upstream->server);
  g_ptr_array_unref (upstream->mails);
  g_string_free (upstream->port, TRUE);
  g_string_free (upstream->tls, TRUE);
  g_free (upstream);
}
