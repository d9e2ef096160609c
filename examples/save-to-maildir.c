/* Saves mail: one file a message in a Maildir that is there (tmp, new, cur), one child a client.
 * The client hears 250 once the file is written and synced.
 *
 *   save-to-maildir 127.0.0.1 2525 ./mail */
#include <mailweir/smtp.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static gboolean
save (WeirMail *mail, const char *maildir)
{
  static guint count;
  char *name = g_strdup_printf ("%" G_GINT64_FORMAT ".P%dQ%u.%s", g_get_real_time (), getpid (),
                                count++, g_get_host_name ());
  char *temporary = g_build_filename (maildir, "tmp", name, NULL);
  char *final = g_build_filename (maildir, "new", name, NULL);
  gsize length = 0;
  const guint8 *bytes = weir_mail_bytes (mail, &length, NULL);
  FILE *file = bytes != NULL ? fopen (temporary, "wx") : NULL;
  gboolean good = file != NULL;

  if (good)
    {
      fprintf (file, "Return-Path: <%s>\r\n", weir_mail_sender (mail));
      good = fwrite (bytes, 1, length, file) == length && fflush (file) == 0
             && fsync (fileno (file)) == 0;
      good = fclose (file) == 0 && good && rename (temporary, final) == 0;
    }
  g_free (final);
  g_free (temporary);
  g_free (name);
  return good;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  WeirServer *server = argc == 4 ? weir_server_new (argv[1], argv[2], NULL, &error) : NULL;
  WeirSession *session;

  if (server == NULL)
    return fprintf (stderr, "%s\n", error ? error->message : "usage: HOST PORT MAILDIR") > 0;
  signal (SIGCHLD, SIG_IGN);
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("port %u\n", weir_server_port (server));
  while ((session = weir_server_accept (server, NULL)) != NULL)
    {
      gboolean is_child = fork () == 0;
      while (is_child && weir_session_process (session, NULL))
        if (!save (weir_session_mail (session), argv[3]))
          weir_session_reply (session, 451, "4.3.0", "Cannot save the message");
      weir_session_free (session);
      if (is_child)
        _exit (0);
    }
  weir_server_free (server);
  return 0;
}
