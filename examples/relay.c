/* A personal relay: takes mail from the programs of its own machine and passes it on. They hear
 * what the next server said, so nothing is kept, lost or bounced here.
 *
 *   relay 127.0.0.1 2525 smtp://mail.example.org:587     one server
 *   relay 127.0.0.1 2525 mx:                             the mail hosts of each recipient */
#include <mailweir/smtp.h>
#include <stdio.h>

static void
pass_on (WeirSession *session, WeirRelay *relay, const char *url)
{
  GError *error = NULL;
  WeirRelayResult *result = weir_relay_to_url (relay, weir_session_mail (session), url, &error);
  const WeirFate *fate;

  if (result == NULL)
    {
      weir_session_reply (session, 451, "4.3.0", "%s", error->message);
      g_clear_error (&error);
      return;
    }
  fate = weir_relay_result_fate (result, 0);
  printf ("%s: %u %s (%s)\n", fate->recipient, fate->code, fate->text, fate->host);
  weir_session_reply (session, fate->code, fate->enhanced, "%s", fate->text);
  weir_relay_result_free (result);
}

int
main (int argc, char **argv)
{
  WeirSettings settings = { .size = sizeof settings };
  GError *error = NULL;
  WeirRelay *relay;
  WeirServer *server = NULL;
  WeirSession *session;

  /* One answer cannot tell two fates: further recipients come again in a transaction of their own.
   */
  settings.recipients = 1;
  if (argc == 4)
    server = weir_server_new (argv[1], argv[2], &settings, &error);
  if (server == NULL)
    {
      fprintf (stderr, "%s\n", error != NULL ? error->message : "usage: relay HOST PORT URL");
      return 1;
    }
  relay = weir_relay_new (NULL);
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("port %u\n", weir_server_port (server));
  while ((session = weir_server_accept (server, NULL)) != NULL)
    {
      while (weir_session_process (session, NULL))
        pass_on (session, relay, argv[3]);
      weir_session_free (session);
    }
  weir_server_free (server);
  weir_relay_free (relay);
  return 0;
}
