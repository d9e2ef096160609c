/* fork and exec, with everything that must happen in between. The parent has one thread, so the
 * child may allocate. Fails when the system has no process left; later failures are the child's. */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

static void
null_input (void)
{
  const gint null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  if (null > 0)
    {
      (void) dup2 (null, STDIN_FILENO);
      close (null);
    }
}

static void
follow_parent (GPid parent)
{
  (void) setpgid (0, 0);
  (void) prctl (PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (getppid () != parent)
    _exit (EX_OSERR);
}

static void G_GNUC_NORETURN
child (const SupervisorSpawn *spawn, gchar **arguments, GPid parent)
{
  static const SupervisorIdentity stay = { 0 };

  supervisor_signals_reset ();
  null_input ();
  if (!supervisor_identity_assume (spawn->identity == NULL ? &stay : spawn->identity))
    {
      base_log (BASE_LOG_ERROR, "cannot become the configured user: %s", g_strerror (errno));
      _exit (EX_OSERR);
    }
  /* After the identity: a change of user clears the signal. */
  if (spawn->lead)
    follow_parent (parent);
  ipc_handoff_let_through (spawn->handoff);
  (void) fexecve (spawn->executable, arguments, environ);
  base_log (BASE_LOG_ERROR, "cannot execute %s: %s", spawn->program, g_strerror (errno));
  _exit (EX_OSERR);
}

GPid
supervisor_spawn (const SupervisorSpawn *spawn, GError **error)
{
  g_auto (GStrv) arguments = ipc_handoff_format (spawn->handoff, spawn->program, spawn->command);
  const GPid parent = getpid ();
  GPid pid;

  fflush (NULL);
  pid = fork ();
  if (pid == 0)
    child (spawn, arguments, parent);
  if (pid < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot fork: %s",
                   g_strerror (errno));
      return 0;
    }
  if (spawn->lead)
    (void) setpgid (pid, pid);
  return pid;
}

gint
supervisor_signals_open (const gint *signals)
{
  sigset_t set;
  gint descriptor;

  sigemptyset (&set);
  for (; *signals != 0; signals++)
    sigaddset (&set, *signals);
  sigprocmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN);
  descriptor = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0)
    base_log (BASE_LOG_ERROR, "signalfd: %s", g_strerror (errno));
  return descriptor;
}

gint
supervisor_signals_next (gint descriptor)
{
  struct signalfd_siginfo info;

  return read (descriptor, &info, sizeof info) == sizeof info ? (gint) info.ssi_signo : 0;
}

void
supervisor_signals_reset (void)
{
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

gchar *
supervisor_describe_death (gint status)
{
  if (WIFSIGNALED (status))
    return g_strdup_printf ("signal %d (%s)", WTERMSIG (status), strsignal (WTERMSIG (status)));
  return g_strdup_printf ("exit %d", WEXITSTATUS (status));
}
