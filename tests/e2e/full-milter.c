/* A milter on libmilter, as anybody would write one: full-milter SOCKET LOG [STEPS [MACROS]]. It
 * writes each event into its log, and does what the mail tells it to. The part of an address before
 * '@', or of HELO's name before '.', is a verdict; fields "X-Do: COMMAND ARGUMENTS" are carried out
 * at the end of the message, in their order. STEPS (a number) are asked for when the terms are
 * settled; MACROS are asked for at connect and at the end of the message. */
#include <glib.h>
#include <libmilter/mfapi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  GPtrArray *todo; /* what stands behind "X-Do: " */
} Session;

static FILE *log_file;
static unsigned long steps;
static char *macros;

G_GNUC_PRINTF (1, 2)
static void
note (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (log_file, "%s\n", text);
  fflush (log_file);
}

static const char *
macro (SMFICTX *context, const char *name)
{
  const char *value = smfi_getsymval (context, (char *) name);

  return value == NULL ? "-" : value;
}

static sfsistat
reply (SMFICTX *context, const char *code, const char *enhanced, const char *text)
{
  smfi_setreply (context, (char *) code, (char *) enhanced, (char *) text);
  return *code == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}

static sfsistat
lines (SMFICTX *context)
{
  smfi_setmlreply (context, "554", "5.7.9", "one", "two, 100%% sure", "three", NULL);
  return SMFIS_REJECT;
}

/* The verdict that a word stands for. */
static sfsistat
verdict (SMFICTX *context, const char *word, gsize length)
{
  g_autofree char *name = g_strndup (word, length);

  if (strcmp (name, "reject") == 0)
    return SMFIS_REJECT;
  if (strcmp (name, "tempfail") == 0)
    return SMFIS_TEMPFAIL;
  if (strcmp (name, "discard") == 0)
    return SMFIS_DISCARD;
  if (strcmp (name, "accept") == 0)
    return SMFIS_ACCEPT;
  if (strcmp (name, "reply") == 0)
    return reply (context, "550", "5.7.7", "not with me");
  if (strcmp (name, "later") == 0)
    return reply (context, "450", "4.7.7", "not now");
  if (strcmp (name, "leave") == 0)
    return reply (context, "421", "4.7.8", "go away");
  if (strcmp (name, "lines") == 0)
    return lines (context);
  if (strcmp (name, "die") == 0)
    _exit (3);
  if (strcmp (name, "hang") == 0)
    for (;;)
      pause ();
  return SMFIS_CONTINUE;
}

static sfsistat
verdict_of_path (SMFICTX *context, const char *path)
{
  return verdict (context, path + 1, strcspn (path + 1, "@>"));
}

/* ---- Events ---- */

static sfsistat
on_negotiate (SMFICTX *context, unsigned long actions, unsigned long offered, unsigned long more,
              unsigned long still_more, unsigned long *my_actions, unsigned long *my_steps,
              unsigned long *my_more, unsigned long *my_still_more)
{
  *my_actions = actions;
  *my_steps = steps & offered;
  *my_more = 0;
  *my_still_more = 0;
  if (macros != NULL)
    {
      smfi_setsymlist (context, SMFIM_CONNECT, macros);
      smfi_setsymlist (context, SMFIM_EOM, macros);
    }
  return SMFIS_CONTINUE;
}

/* What an event that is not answered returns. */
static sfsistat
answer (unsigned long mute, sfsistat status)
{
  return (steps & mute) != 0 ? SMFIS_NOREPLY : status;
}

static sfsistat
on_connect (SMFICTX *context, char *name, _SOCK_ADDR *address)
{
  Session *session = g_new0 (Session, 1);

  session->todo = g_ptr_array_new_with_free_func (g_free);
  smfi_setpriv (context, session);
  note ("connect %s family=%d j=%s daemon=%s client=%s extra=%s", name,
        address == NULL ? -1 : address->sa_family, macro (context, "j"),
        macro (context, "{daemon_name}"), macro (context, "{client_addr}"),
        macro (context, "{extra}"));
  return answer (SMFIP_NR_CONN, SMFIS_CONTINUE);
}

static sfsistat
on_helo (SMFICTX *context, char *name)
{
  note ("helo %s tls=%s", name, macro (context, "{tls_version}"));
  return answer (SMFIP_NR_HELO, verdict (context, name, strcspn (name, ".")));
}

static char *
join (char **list)
{
  return g_strjoinv (" ", list);
}

static sfsistat
on_mail (SMFICTX *context, char **words)
{
  Session *session = smfi_getpriv (context);
  g_autofree char *all = join (words);

  g_ptr_array_set_size (session->todo, 0);
  note ("mail %s auth=%s addr=%s", all, macro (context, "{auth_authen}"),
        macro (context, "{mail_addr}"));
  return answer (SMFIP_NR_MAIL, verdict_of_path (context, words[0]));
}

static sfsistat
on_rcpt (SMFICTX *context, char **words)
{
  g_autofree char *all = join (words);

  note ("rcpt %s addr=%s", all, macro (context, "{rcpt_addr}"));
  return answer (SMFIP_NR_RCPT, verdict_of_path (context, words[0]));
}

static sfsistat
on_data (SMFICTX *context)
{
  note ("data");
  return answer (SMFIP_NR_DATA, SMFIS_CONTINUE);
}

static sfsistat
on_unknown (SMFICTX *context, const char *line)
{
  note ("unknown %s", line);
  return answer (SMFIP_NR_UNKN, strncmp (line, "XBAD", 4) == 0
                                    ? reply (context, "550", "5.7.6", "no such thing")
                                    : SMFIS_CONTINUE);
}

static sfsistat
on_header (SMFICTX *context, char *name, char *value)
{
  Session *session = smfi_getpriv (context);
  g_autofree char *shown = g_strescape (value, NULL);

  note ("header %s=%s", name, shown);
  if (g_ascii_strcasecmp (name, "X-Header") == 0)
    return answer (SMFIP_NR_HDR, verdict (context, g_strchug (value), strlen (value)));
  if (g_ascii_strcasecmp (name, "X-Do") == 0)
    g_ptr_array_add (session->todo, g_strdup (value + (*value == ' ')));
  return answer (SMFIP_NR_HDR, SMFIS_CONTINUE);
}

static sfsistat
on_end_of_headers (SMFICTX *context)
{
  note ("eoh");
  return answer (SMFIP_NR_EOH, SMFIS_CONTINUE);
}

static sfsistat
on_body (SMFICTX *context, unsigned char *bytes, size_t length)
{
  g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_MD5, bytes, length);

  note ("body %zu %s", length, sum);
  if (length >= 4 && memcmp (bytes, "skip", 4) == 0)
    return answer (SMFIP_NR_BODY, SMFIS_SKIP);
  return answer (SMFIP_NR_BODY, SMFIS_CONTINUE);
}

/* The text with "\n" and "\t" made what they stand for. */
static char *
text_of (const char *text)
{
  return g_strcompress (text);
}

static void
change_header (SMFICTX *context, char **words, guint count, gboolean insert)
{
  g_autofree char *value = text_of (count > 3 ? words[3] : "");
  int index = atoi (words[1]);

  if (insert)
    smfi_insheader (context, index, words[2], value);
  else
    smfi_chgheader (context, words[2], index, *value == '\0' ? NULL : value);
}

static void
replace_body (SMFICTX *context, const char *text)
{
  g_autofree char *body = text_of (text);
  gsize half = strlen (body) / 2;

  smfi_replacebody (context, (unsigned char *) body, (int) half);
  smfi_replacebody (context, (unsigned char *) body + half, (int) (strlen (body) - half));
}

/* One long body, in pieces of their own. */
static void
long_body (SMFICTX *context, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      g_autofree char *line = g_strdup_printf ("line %08u of a new body\r\n", i);

      smfi_replacebody (context, (unsigned char *) line, (int) strlen (line));
    }
}

/* TRUE: it was a change of the message. */
static gboolean
change (SMFICTX *context, char **words, guint count)
{
  const char *command = words[0];

  if (strcmp (command, "addheader") == 0)
    {
      g_autofree char *rest = g_strjoinv (" ", words + 2);
      g_autofree char *value = text_of (rest);
      smfi_addheader (context, words[1], value);
    }
  else if (strcmp (command, "insheader") == 0 || strcmp (command, "chgheader") == 0)
    change_header (context, words, count, *command == 'i');
  else if (strcmp (command, "addrcpt") == 0 && count > 2)
    smfi_addrcpt_par (context, words[1], words[2]);
  else if (strcmp (command, "addrcpt") == 0)
    smfi_addrcpt (context, words[1]);
  else if (strcmp (command, "delrcpt") == 0)
    smfi_delrcpt (context, words[1]);
  else if (strcmp (command, "chgfrom") == 0)
    smfi_chgfrom (context, words[1], count > 2 ? words[2] : NULL);
  else if (strcmp (command, "replbody") == 0)
    replace_body (context, words[1]);
  else if (strcmp (command, "longbody") == 0)
    long_body (context, (guint) atoi (words[1]));
  else if (strcmp (command, "quarantine") == 0)
    smfi_quarantine (context, words[1]);
  else if (strcmp (command, "progress") == 0)
    for (int i = 0; i < atoi (words[1]); i++)
      {
        g_usleep (200000);
        smfi_progress (context);
      }
  else
    return FALSE;
  return TRUE;
}

static sfsistat
on_end (SMFICTX *context)
{
  Session *session = smfi_getpriv (context);

  note ("end extra=%s", macro (context, "{extra}"));
  for (guint i = 0; i < session->todo->len; i++)
    {
      g_auto (GStrv) words = g_strsplit (session->todo->pdata[i], " ", 4);

      if (!change (context, words, g_strv_length (words)))
        return verdict (context, words[0], strlen (words[0]));
    }
  return SMFIS_CONTINUE;
}

static sfsistat
on_abort (SMFICTX *context)
{
  note ("abort");
  return SMFIS_CONTINUE;
}

static sfsistat
on_close (SMFICTX *context)
{
  Session *session = smfi_getpriv (context);

  note ("close");
  if (session != NULL)
    g_ptr_array_unref (session->todo);
  g_free (session);
  smfi_setpriv (context, NULL);
  return SMFIS_CONTINUE;
}

int
main (int argc, char **argv)
{
  struct smfiDesc milter
      = { "full",   SMFI_VERSION, SMFI_CURR_ACTS,    on_connect,  on_helo, on_mail,
          on_rcpt,  on_header,    on_end_of_headers, on_body,     on_end,  on_abort,
          on_close, on_unknown,   on_data,           on_negotiate };

  if (argc < 3)
    return 64;
  log_file = fopen (argv[2], "a");
  steps = argc > 3 ? strtoul (argv[3], NULL, 0) : 0;
  macros = argc > 4 ? argv[4] : NULL;
  signal (SIGPIPE, SIG_IGN);
  if (log_file == NULL || smfi_setconn (argv[1]) != MI_SUCCESS
      || smfi_register (milter) != MI_SUCCESS || smfi_opensocket (TRUE) != MI_SUCCESS)
    return 1;
  return smfi_main () == MI_SUCCESS ? 0 : 1;
}
