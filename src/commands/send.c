/* mailweir send: hands one message to a server and prints what it answers. The exit status tells
 * scripts the outcome: 0 accepted for all recipients, 1 refused, 75 deferred or not reached, 64
 * usage, 65 a message too large, 66 no such message. */
#include "commands/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <mailweir/smtp.h>

#include "base/address.h"
#include "blocking/client.h"

#define MAX_MESSAGE (128 * 1024 * 1024) /* octets as read */
#define MAX_TIMEOUT 86400               /* seconds */
#define EXIT_REFUSED 1

typedef struct
{
  gchar *to;
  gchar *from;
  gchar **recipients;
  gchar *tls;
  gchar *ca_file;
  gchar *hello;
  gchar *timeout;
  gboolean quiet;
  gboolean verbose;
  gchar **files;
} SendArguments;

/* What the arguments say, checked. */
typedef struct
{
  WeirRelaySettings settings;
  const gchar *url;
  WeirMail *mail; /* without content */
  const gchar *file;
  gboolean quiet;
} Sending;

static void
free_arguments (SendArguments *arguments)
{
  g_free (arguments->to);
  g_free (arguments->from);
  g_strfreev (arguments->recipients);
  g_free (arguments->tls);
  g_free (arguments->ca_file);
  g_free (arguments->hello);
  g_free (arguments->timeout);
  g_strfreev (arguments->files);
}

static void
free_sending (Sending *sending)
{
  weir_mail_unref (sending->mail);
}

static gboolean
usage_error (GError **error, const gchar *format, const gchar *value)
{
  g_autofree gchar *text
      = g_strconcat (format, value != NULL ? ": " : "", value != NULL ? value : "", NULL);

  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
  return FALSE;
}

static gboolean
parse_arguments (SendArguments *arguments, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "to", 0, 0, G_OPTION_ARG_STRING, &arguments->to,
      "The server: smtp://host:port, smtps://, lmtp://, lmtp:/path; mx: for the mail hosts of each "
      "recipient",
      "URL" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &arguments->from, "The sender; \"\" or <>: nobody",
      "ADDRESS" },
    { "rcpt", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arguments->recipients, "A recipient; repeat it",
      "ADDRESS" },
    { "tls", 0, 0, G_OPTION_ARG_STRING, &arguments->tls,
      "off, opportunistic (default), required or verified", "POLICY" },
    { "ca", 0, 0, G_OPTION_ARG_FILENAME, &arguments->ca_file,
      "Authorities for --tls verified, PEM (default: the system's)", "FILE" },
    { "helo", 0, 0, G_OPTION_ARG_STRING, &arguments->hello, "Our name (default: this host's)",
      "NAME" },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &arguments->timeout,
      "Of each answer: 500ms, 60s (default), 5m", "DURATION" },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &arguments->quiet, "Print errors only", NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &arguments->verbose, "Print the conversation", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments->files, NULL,
      "MESSAGE.eml|-" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Sends one message and prints the server's answers.");
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, argc, argv, error);
}

/* The address as it may be typed, with or without brackets. Caller frees. */
static gchar *
parse_address (const gchar *text, GError **error)
{
  gsize used = 0;
  gchar *address;

  if (*text == '\0' || g_str_equal (text, "<>"))
    return g_strdup ("");
  address
      = base_path_parse (text, strlen (text), BASE_PATH_UTF8 | BASE_PATH_POSTMASTER, &used, error);
  if (address == NULL || text[used] == '\0')
    return address;
  g_free (address);
  usage_error (error, "not an address", text);
  return NULL;
}

static gboolean
parse_envelope (Sending *sending, const SendArguments *arguments, GError **error)
{
  g_autofree gchar *sender = NULL;

  if (arguments->from == NULL)
    return usage_error (error, "--from is missing", NULL);
  if (arguments->recipients == NULL)
    return usage_error (error, "--rcpt is missing", NULL);
  sender = parse_address (arguments->from, error);
  sending->mail = sender == NULL ? NULL : weir_mail_new (sender, NULL, error);
  if (sending->mail == NULL)
    return FALSE;
  for (guint i = 0; arguments->recipients[i] != NULL; i++)
    {
      g_autofree gchar *recipient = parse_address (arguments->recipients[i], error);

      if (recipient == NULL || !weir_mail_add_recipient (sending->mail, recipient, NULL, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
parse_tls (const gchar *text, WeirTls *policy, GError **error)
{
  static const gchar *const names[] = {
    [WEIR_TLS_OPPORTUNISTIC] = "opportunistic",
    [WEIR_TLS_OFF] = "off",
    [WEIR_TLS_REQUIRED] = "required",
    [WEIR_TLS_VERIFIED] = "verified",
  };

  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (text, names[i]))
      {
        *policy = (WeirTls) i;
        return TRUE;
      }
  return text == NULL
         || usage_error (error, "--tls is off, opportunistic, required or verified, not", text);
}

/* Milliseconds. Without a unit, seconds. */
static gboolean
parse_timeout (const gchar *text, guint *timeout, GError **error)
{
  static const struct
  {
    const gchar *unit;
    guint milliseconds;
  } units[] = { { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 } };
  gchar *end = NULL;
  guint64 number;

  *timeout = 60000;
  if (text == NULL)
    return TRUE;
  number = g_ascii_strtoull (text, &end, 10);
  for (guint i = 0; g_ascii_isdigit (*text) && i < G_N_ELEMENTS (units); i++)
    if (g_str_equal (end, units[i].unit) && number > 0
        && number <= MAX_TIMEOUT * G_GUINT64_CONSTANT (1000) / units[i].milliseconds)
      {
        *timeout = (guint) (number * units[i].milliseconds);
        return TRUE;
      }
  return usage_error (error, "--timeout is a duration such as 60s, at most a day, not", text);
}

static void
print_conversation (gboolean sent, const char *line, gpointer data)
{
  g_printerr ("%s %s\n", sent ? "C:" : "S:", line);
}

/* Before the message is read, which may come from somebody who types it. */
static gboolean
check_url (const gchar *url, GError **error)
{
  g_autofree gchar *host = NULL;
  gboolean implicit_tls;
  guint port;

  return g_str_equal (url, "mx:") || blocking_url_parse (url, &host, &port, &implicit_tls, error);
}

static gboolean
check_server (Sending *sending, const SendArguments *arguments, GError **error)
{
  WeirRelaySettings *settings = &sending->settings;

  if (arguments->to == NULL)
    return usage_error (error, "--to is missing", NULL);
  if (!check_url (arguments->to, error) || !parse_tls (arguments->tls, &settings->tls, error)
      || !parse_timeout (arguments->timeout, &settings->timeout, error))
    return FALSE;
  if (g_str_has_prefix (arguments->to, "smtps:") && settings->tls == WEIR_TLS_OFF)
    return usage_error (error, "--tls off does not go with", arguments->to);
  if (arguments->hello != NULL
      && !base_domain_is_valid (arguments->hello, strlen (arguments->hello)))
    return usage_error (error, "--helo is a host name, not", arguments->hello);
  settings->size = sizeof *settings;
  settings->hostname = arguments->hello;
  settings->authorities = arguments->ca_file;
  settings->trace = arguments->verbose ? print_conversation : NULL;
  sending->url = arguments->to;
  return TRUE;
}

static gboolean
check_arguments (Sending *sending, const SendArguments *arguments, GError **error)
{
  if (!check_server (sending, arguments, error) || !parse_envelope (sending, arguments, error))
    return FALSE;
  if (arguments->files != NULL && arguments->files[1] != NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unexpected argument \"%s\"",
                   arguments->files[1]);
      return FALSE;
    }
  if (arguments->files == NULL)
    return usage_error (error, "one MESSAGE.eml, or -, is expected", NULL);
  sending->file = arguments->files[0];
  sending->quiet = arguments->quiet;
  return TRUE;
}

/* Exit status; 0: `message` holds all of it. */
static int
read_descriptor (int fd, const gchar *name, GByteArray *message)
{
  g_autofree guint8 *piece = g_malloc (65536);
  gssize done;

  while ((done = read (fd, piece, 65536)) != 0)
    {
      if (done < 0 && errno == EINTR)
        continue;
      if (done < 0)
        {
          g_printerr ("mailweir send: %s: %s\n", name, g_strerror (errno));
          return EX_NOINPUT;
        }
      if (message->len + (gsize) done > MAX_MESSAGE)
        {
          g_printerr ("mailweir send: %s: larger than %d octets\n", name, MAX_MESSAGE);
          return EX_DATAERR;
        }
      g_byte_array_append (message, piece, (guint) done);
    }
  return 0;
}

static int
read_message (const gchar *file, GByteArray *message)
{
  gboolean is_stdin = g_str_equal (file, "-");
  int fd = is_stdin ? STDIN_FILENO : open (file, O_RDONLY | O_CLOEXEC);
  int status;

  if (fd < 0)
    {
      g_printerr ("mailweir send: %s: %s\n", file, g_strerror (errno));
      return EX_NOINPUT;
    }
  status = read_descriptor (fd, is_stdin ? "standard input" : file, message);
  if (!is_stdin)
    close (fd);
  return status;
}

/* Files have LF where SMTP has CRLF; a CR that stands alone becomes a line end too, since no server
 * may take it. */
static GByteArray *
to_crlf (const GByteArray *raw)
{
  GByteArray *message = g_byte_array_sized_new (raw->len + raw->len / 32 + 2);
  guint start = 0;

  for (guint i = 0; i < raw->len; i++)
    {
      if (raw->data[i] != '\r' && raw->data[i] != '\n')
        continue;
      g_byte_array_append (message, raw->data + start, i - start);
      g_byte_array_append (message, (const guint8 *) "\r\n", 2);
      if (raw->data[i] == '\r' && i + 1 < raw->len && raw->data[i + 1] == '\n')
        i++;
      start = i + 1;
    }
  g_byte_array_append (message, raw->data + start, raw->len - start);
  return message;
}

/* Exit status of one outcome. */
static int
judge (const WeirFate *fate)
{
  static const int statuses[] = { [WEIR_OUTCOME_DELIVERED] = 0,
                                  [WEIR_OUTCOME_DEFERRED] = EX_TEMPFAIL,
                                  [WEIR_OUTCOME_REFUSED] = EXIT_REFUSED };

  return statuses[fate->outcome];
}

static void
print_fate (const WeirFate *fate)
{
  g_auto (GStrv) lines = g_strsplit (fate->text, "\n", -1);
  g_autofree gchar *text = g_strjoinv (" / ", lines);

  g_print ("%s: %u %s%s%s\n", fate->recipient, fate->code, fate->enhanced,
           *fate->enhanced != '\0' ? " " : "", text);
}

static int
report_result (const WeirRelayResult *result, const Sending *sending)
{
  const GError *error = weir_relay_result_error (result);

  if (error != NULL)
    g_printerr ("mailweir send: %s\n", error->message);
  for (guint i = 0; i < weir_relay_result_count (result); i++)
    {
      const WeirFate *fate = weir_relay_result_fate (result, i);

      if (!sending->quiet || judge (fate) != 0)
        print_fate (fate);
    }
  return judge (weir_relay_result_worst (result));
}

static int
send_message (const Sending *sending)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirRelay) relay = weir_relay_new (&sending->settings);
  g_autoptr (WeirRelayResult) result
      = weir_relay_to_url (relay, sending->mail, sending->url, &error);

  if (result != NULL)
    return report_result (result, sending);
  g_printerr ("mailweir send: %s\n", error->message);
  return g_error_matches (error, WEIR_ERROR, WEIR_ERROR_URL) ? EX_USAGE : EX_TEMPFAIL;
}

static int
send_file (const Sending *sending)
{
  g_autoptr (GByteArray) raw = g_byte_array_new ();
  g_autoptr (GByteArray) message = NULL;
  g_autoptr (GError) error = NULL;
  int status = read_message (sending->file, raw);

  if (status != 0)
    return status;
  message = to_crlf (raw);
  if (weir_mail_append (sending->mail, message->data, message->len, &error))
    return send_message (sending);
  g_printerr ("mailweir send: %s\n", error->message);
  return EX_TEMPFAIL;
}

int
command_send (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  SendArguments arguments = { 0 };
  Sending sending = { 0 };
  int status = EX_USAGE;

  if (parse_arguments (&arguments, &argc, &argv, &error)
      && check_arguments (&sending, &arguments, &error))
    status = send_file (&sending);
  else
    g_printerr ("mailweir send: %s\nTry: mailweir send --help\n", error->message);
  free_sending (&sending);
  free_arguments (&arguments);
  return status;
}
