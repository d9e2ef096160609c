/* mailweir send: hands one message to a server and prints what it answers. The exit status tells
 * scripts the outcome: 0 accepted for all recipients, 1 refused, 75 deferred or not reached, 64
 * usage, 65 a message too large, 66 no such message. */
#include "commands/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

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
  BlockingOptions options;
  gchar *host;
  BasePath *sender;
  GPtrArray *recipients; /* of BasePath */
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
  g_free (sending->host);
  base_path_free (sending->sender);
  g_clear_pointer (&sending->recipients, g_ptr_array_unref);
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
    { "to", 0, 0, G_OPTION_ARG_STRING, &arguments->to, "The server: smtp://host:port, smtps://",
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

static BasePath *
parse_address (const gchar *text, gboolean is_sender, GError **error)
{
  BasePathFlags flags = BASE_PATH_UTF8 | (is_sender ? BASE_PATH_NULL : BASE_PATH_POSTMASTER);
  gsize used = 0;
  g_autofree gchar *address = NULL;
  const gchar *none[] = { NULL };

  if (is_sender && (*text == '\0' || g_str_equal (text, "<>")))
    return base_path_new ("", none);
  address = base_path_parse (text, strlen (text), flags, &used, error);
  if (address == NULL)
    return NULL;
  if (text[used] != '\0')
    {
      usage_error (error, "not an address", text);
      return NULL;
    }
  return base_path_new (address, none);
}

static gboolean
parse_recipients (Sending *sending, gchar **recipients, GError **error)
{
  sending->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  if (recipients == NULL)
    return usage_error (error, "--rcpt is missing", NULL);
  for (guint i = 0; recipients[i] != NULL; i++)
    {
      BasePath *path = parse_address (recipients[i], FALSE, error);

      if (path == NULL)
        return FALSE;
      g_ptr_array_add (sending->recipients, path);
    }
  return TRUE;
}

static gboolean
parse_tls (const gchar *text, BlockingTlsPolicy *policy, GError **error)
{
  static const gchar *const names[] = { "off", "opportunistic", "required", "verified" };

  *policy = BLOCKING_TLS_POLICY_OPPORTUNISTIC;
  if (text == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (text, names[i]))
      {
        *policy = (BlockingTlsPolicy) i;
        return TRUE;
      }
  return usage_error (error, "--tls is off, opportunistic, required or verified, not", text);
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
print_conversation (gboolean sent, const gchar *line, gpointer data)
{
  g_printerr ("%s %s\n", sent ? "C:" : "S:", line);
}

static gboolean
check_server (Sending *sending, const SendArguments *arguments, GError **error)
{
  BlockingOptions *options = &sending->options;

  if (arguments->to == NULL)
    return usage_error (error, "--to is missing", NULL);
  if (!blocking_url_parse (arguments->to, &sending->host, &options->port, &options->implicit_tls,
                           error)
      || !parse_tls (arguments->tls, &options->tls, error)
      || !parse_timeout (arguments->timeout, &options->timeout, error))
    return FALSE;
  if (options->implicit_tls && options->tls == BLOCKING_TLS_POLICY_OFF)
    return usage_error (error, "--tls off does not go with", arguments->to);
  if (arguments->hello != NULL
      && !base_domain_is_valid (arguments->hello, strlen (arguments->hello)))
    return usage_error (error, "--helo is a host name, not", arguments->hello);
  options->host = sending->host;
  options->hello = arguments->hello;
  options->ca_file = arguments->ca_file;
  options->trace = arguments->verbose ? print_conversation : NULL;
  return TRUE;
}

static gboolean
check_arguments (Sending *sending, const SendArguments *arguments, GError **error)
{
  if (!check_server (sending, arguments, error))
    return FALSE;
  if (arguments->from == NULL)
    return usage_error (error, "--from is missing", NULL);
  sending->sender = parse_address (arguments->from, TRUE, error);
  if (sending->sender == NULL || !parse_recipients (sending, arguments->recipients, error))
    return FALSE;
  if (arguments->files == NULL || arguments->files[1] != NULL)
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

static gboolean
has_8bit (const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (bytes[i] >= 0x80)
      return TRUE;
  return FALSE;
}

static gboolean
any_8bit_address (const Sending *sending)
{
  const gchar *sender = sending->sender->address;

  if (has_8bit ((const guint8 *) sender, strlen (sender)))
    return TRUE;
  for (guint i = 0; i < sending->recipients->len; i++)
    {
      const BasePath *path = sending->recipients->pdata[i];

      if (has_8bit ((const guint8 *) path->address, strlen (path->address)))
        return TRUE;
    }
  return FALSE;
}

/* The sender with what MAIL should say about the message. */
static BasePath *
describe_message (const Sending *sending, const GByteArray *message)
{
  g_autofree gchar *size = g_strdup_printf ("SIZE=%u", message->len);
  const gchar *parameters[4] = { size };
  guint count = 1;

  if (has_8bit (message->data, message->len))
    parameters[count++] = "BODY=8BITMIME";
  if (any_8bit_address (sending))
    parameters[count++] = "SMTPUTF8";
  return base_path_new (sending->sender->address, parameters);
}

/* Exit status of one answer. */
static int
judge (const BaseReply *reply)
{
  if (reply->code < 400)
    return 0;
  return reply->code < 500 ? EX_TEMPFAIL : EXIT_REFUSED;
}

/* A refusal for good counts more than one for now. */
static int
worse (int a, int b)
{
  return a == EXIT_REFUSED || b == 0 ? a : b;
}

static int
report (const gchar *what, const BaseReply *reply, const Sending *sending)
{
  g_autofree gchar *text = base_reply_to_string (reply);

  if (!sending->quiet || judge (reply) != 0)
    g_print ("%s%s%s\n", what, *what != '\0' ? ": " : "", text);
  return judge (reply);
}

static int
report_result (const BlockingResult *result, const Sending *sending)
{
  int status = 0;

  if (judge (result->mail) != 0)
    return report ("", result->mail, sending);
  for (guint i = 0; i < result->recipients->len; i++)
    {
      const BasePath *path = sending->recipients->pdata[i];

      status = worse (status, report (path->address, result->recipients->pdata[i], sending));
    }
  if (result->message != NULL)
    status = worse (status, report ("", result->message, sending));
  return status;
}

static int
report_error (const GError *error)
{
  g_printerr ("mailweir send: %s\n", error->message);
  return g_error_matches (error, BLOCKING_ERROR, BLOCKING_ERROR_REFUSED) ? EXIT_REFUSED
                                                                         : EX_TEMPFAIL;
}

static int
send_message (const Sending *sending, const GByteArray *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BasePath) sender = describe_message (sending, message);
  g_autoptr (BlockingResult) result = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (&sending->options, &error);

  if (client != NULL)
    result = blocking_client_send (client, sender,
                                   (const BasePath *const *) sending->recipients->pdata,
                                   sending->recipients->len, message->data, message->len, &error);
  if (result == NULL)
    return report_error (error);
  /* The message is answered: how the server says good-bye changes nothing. */
  blocking_client_quit (client, NULL);
  return report_result (result, sending);
}

static int
send_file (const Sending *sending)
{
  g_autoptr (GByteArray) raw = g_byte_array_new ();
  g_autoptr (GByteArray) message = NULL;
  int status = read_message (sending->file, raw);

  if (status != 0)
    return status;
  message = to_crlf (raw);
  return send_message (sending, message);
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
