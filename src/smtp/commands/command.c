/* The list of commands, and the parsers that several of them share. A parser fails by returning the
 * refusal. */
#include "smtp/commands/command.h"

#include <string.h>

#include "base/address.h"
#include "smtp/parameters.h"

const SmtpCommand *const smtp_commands[] = {
  &smtp_command_helo,
  &smtp_command_ehlo,
  &smtp_command_lhlo,
  &smtp_command_mail,
  &smtp_command_rcpt,
  &smtp_command_data,
  &smtp_command_bdat,
  &smtp_command_rset,
  &smtp_command_noop,
  &smtp_command_vrfy,
  &smtp_command_expn,
  &smtp_command_help,
  &smtp_command_quit,
  &smtp_command_starttls,
  &smtp_command_auth,
  &smtp_command_xclient,
  &smtp_command_xforward,
  &smtp_command_auth_response,
  &smtp_command_connect,
  &smtp_command_end,
  &smtp_command_added,
  &smtp_command_unknown,
  NULL,
};

const SmtpCommand *
smtp_command_find (const gchar *verb, gsize length)
{
  gchar first = length > 0 ? g_ascii_toupper (verb[0]) : '\0';

  for (const SmtpCommand *const *row = smtp_commands; *row != NULL; row++)
    if ((*row)->verb != NULL && (*row)->verb[0] == first && strlen ((*row)->verb) == length
        && g_ascii_strncasecmp ((*row)->verb, verb, length) == 0)
      return *row;
  return NULL;
}

const SmtpCommand *
smtp_command_of_event (SmtpServerEventType event)
{
  for (const SmtpCommand *const *row = smtp_commands; *row != NULL; row++)
    if ((*row)->event == event)
      return *row;
  return NULL;
}

BaseReply *
smtp_command_syntax_error (const SmtpCommand *row)
{
  return base_reply_printf (501, 5, 5, 4, "Syntax: %s", row->syntax);
}

BaseReply *
smtp_parse_nothing (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  return length == 0 ? NULL : smtp_command_syntax_error (row);
}

BaseReply *
smtp_parse_optional (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                     gsize length)
{
  return NULL;
}

BaseReply *
smtp_parse_required (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                     gsize length)
{
  return length > 0 ? NULL : smtp_command_syntax_error (row);
}

BaseReply *
smtp_parse_domain (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (length == 0 || length > BASE_ADDRESS_MAX_DOMAIN || !base_domain_is_valid (argument, length))
    return smtp_command_syntax_error (row);
  return NULL;
}

static BaseReply *
bad_address (const gchar *keyword, guint detail, const GError *error)
{
  const gchar *whose = g_str_equal (keyword, "FROM:") ? "sender" : "recipient";

  if (g_error_matches (error, BASE_ADDRESS_ERROR, BASE_ADDRESS_ERROR_TOO_LONG))
    return base_reply_printf (501, 5, 1, detail, "The %s address is too long", whose);
  return base_reply_printf (501, 5, 1, detail, "Bad %s address syntax", whose);
}

BaseReply *
smtp_parse_path (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length,
                 const gchar *keyword, guint flags, guint detail)
{
  gsize used = strlen (keyword);
  const gchar *end = argument + length;
  g_autoptr (GError) error = NULL;
  BaseReply *refusal = NULL;

  if (length < used || g_ascii_strncasecmp (argument, keyword, used) != 0)
    return smtp_command_syntax_error (row);
  for (argument += used; argument < end && *argument == ' '; argument++)
    ;
  if (argument == end)
    return smtp_command_syntax_error (row);
  g_autofree gchar *address
      = base_path_parse (argument, (gsize) (end - argument), flags | BASE_PATH_UTF8, &used, &error);
  if (address == NULL)
    return bad_address (keyword, detail, error);
  argument += used;
  if (argument < end && *argument != ' ')
    return smtp_command_syntax_error (row);
  g_auto (GStrv) parameters = NULL;
  if (!smtp_parameters_parse (argument, (gsize) (end - argument), &parameters, &refusal))
    return refusal;
  server->event.path = base_path_new (address, (const gchar *const *) parameters);
  return NULL;
}
