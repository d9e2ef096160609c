/* Who may speak, and about what: clients that are not on the list hear 554 instead of a greeting,
 * and messages that are marked as spam are refused. One thread a client.
 *
 *   access-list 127.0.0.1 2525 192.0.2.1 192.0.2.2 */
#include <mailweir/smtp.h>
#include <stdio.h>

static void
on_connect (WeirSession *session, gpointer data)
{
  const char *address = weir_session_peer_address (session);

  if (g_strv_contains ((const char *const *) data, address))
    return;
  weir_session_reply (session, 554, "5.7.1", "No service for %s", address);
  weir_session_close (session);
}

static void
on_header (WeirSession *session, const char *name, const char *value, gpointer data G_GNUC_UNUSED)
{
  if (g_ascii_strcasecmp (name, "X-Spam-Flag") == 0 && g_ascii_strcasecmp (value, "YES") == 0)
    weir_session_reply (session, 550, "5.7.1", "No spam, please");
}

static gpointer
serve (gpointer data)
{
  WeirSession *session = (WeirSession *) data;

  while (weir_session_process (session, NULL))
    printf ("from %s at %s: %" G_GUINT64_FORMAT " octets\n",
            weir_mail_sender (weir_session_mail (session)), weir_session_peer_address (session),
            weir_mail_size (weir_session_mail (session)));
  weir_session_free (session);
  return NULL;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  WeirServer *server = argc > 3 ? weir_server_new (argv[1], argv[2], NULL, &error) : NULL;
  WeirHooks hooks = { .size = sizeof hooks };
  WeirSession *session;

  if (server == NULL)
    return fprintf (stderr, "%s\n", error ? error->message : "usage: HOST PORT ADDRESS...") > 0;
  hooks.connect = on_connect;
  hooks.header = on_header;
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("port %u\n", weir_server_port (server));
  while ((session = weir_server_accept (server, NULL)) != NULL)
    {
      weir_session_set_hooks (session, &hooks, argv + 3);
      g_thread_unref (g_thread_new ("client", serve, session));
    }
  weir_server_free (server);
  return 0;
}
