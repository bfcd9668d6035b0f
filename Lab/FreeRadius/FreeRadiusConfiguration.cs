using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Masquerade.Lab.FreeRadius;

/// <summary>Writes all that a FreeRADIUS needs, and nothing of the machine's own configuration but its dictionaries.</summary>
internal static class FreeRadiusConfiguration
{
    public static void Write(FreeRadiusProcess server, FreeRadiusOptions options)
    {
        var directory = server.Directory;
        File.WriteAllText(Path.Combine(directory, "dictionary"), "$INCLUDE /usr/share/freeradius/dictionary\n");
        File.WriteAllText(Path.Combine(directory, "users"), Users(options));
        Directory.CreateDirectory(Path.Combine(directory, "sessions"));
        File.WriteAllText(Path.Combine(directory, "radiusd.conf"), Main(server, options));
    }

    private static string Users(FreeRadiusOptions options)
    {
        var text = new StringBuilder();
        foreach (var user in options.Users)
        {
            text.Append(user.Name).Append(user.Password is null ? string.Empty : $" Cleartext-Password := \"{user.Password}\"").Append('\n');
            text.AppendJoin(",\n", user.Reply.Select(r => "    " + r)).Append("\n\n");
        }

        return text.ToString();
    }

    private static string Main(FreeRadiusProcess server, FreeRadiusOptions options)
    {
        var address = options.Address.AddressFamily == AddressFamily.InterNetwork ? "ipaddr" : "ipv6addr";
        return Template
            .Replace("@DIR@", server.Directory, StringComparison.Ordinal)
            .Replace("@SECRET@", server.Secret, StringComparison.Ordinal)
            .Replace("@CLIENTS@", options.Clients, StringComparison.Ordinal)
            .Replace("@CLIENT_FAMILY@", options.Clients.Contains(':', StringComparison.Ordinal) ? "ipv6addr" : "ipaddr", StringComparison.Ordinal)
            .Replace("@LISTEN@", $"{address} = {options.Address}", StringComparison.Ordinal)
            .Replace("@AUTH@", server.AuthEndPoint.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("@ACCT@", server.AccountingEndPoint.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("@TLS@", server.TlsEndPoint.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("@GRANTED@", options.KeepsGrants ? "granted" : "ok", StringComparison.Ordinal)
            .Replace("@METHOD@", options.Method, StringComparison.Ordinal)
            .Replace("@NEWEST@", options.NewestTls, StringComparison.Ordinal)
            .Replace("@PERSIST@", options.KeepsSessions ? $"persist_dir = {server.Directory}/sessions" : string.Empty, StringComparison.Ordinal)
            .Replace("@RESUMES@", options.Resumes ? "yes" : "no", StringComparison.Ordinal);
    }

    private const string Template = """
        prefix = /usr
        libdir = /usr/lib/freeradius
        logdir = @DIR@
        raddbdir = @DIR@
        radacctdir = @DIR@
        run_dir = @DIR@
        name = test
        correct_escapes = true
        max_request_time = 30
        cleanup_delay = 5
        max_requests = 65536
        hostname_lookups = no
        proxy_requests = no
        log {
          destination = stdout
          auth = yes
        }
        security {
          max_attributes = 200
          reject_delay = 0
          status_server = yes
          allow_core_dumps = no
        }
        client test {
          @CLIENT_FAMILY@ = @CLIENTS@
          secret = @SECRET@
          require_message_authenticator = yes
        }
        clients radsec {
          client test {
            @CLIENT_FAMILY@ = @CLIENTS@
            proto = tls
            secret = radsec
          }
        }
        thread pool {
          start_servers = 2
          max_servers = 4
          min_spare_servers = 1
          max_spare_servers = 4
          max_requests_per_server = 0
        }
        modules {
          always ok {
            rcode = ok
          }
          pap {
          }
          mschap {
          }
          files {
            filename = @DIR@/users
          }
          detail {
            filename = @DIR@/detail
            permissions = 0600
          }
          detail granted {
            filename = @DIR@/granted
            permissions = 0600
          }
          eap {
            default_eap_type = @METHOD@
            timer_expire = 60
            ignore_unknown_eap_types = no
            max_sessions = 65536
            md5 {
            }
            tls-config common {
              private_key_file = @DIR@/server.key
              certificate_file = @DIR@/server.pem
              ca_file = @DIR@/ca.pem
              fragment_size = 1024
              ecdh_curve = "prime256v1"
              tls_min_version = "1.2"
              tls_max_version = "@NEWEST@"
              cache {
                enable = @RESUMES@
                lifetime = 24
                name = "test"
                @PERSIST@
              }
            }
            tls {
              tls = common
            }
            ttls {
              tls = common
              default_eap_type = mschapv2
              copy_request_to_tunnel = yes
              use_tunneled_reply = yes
              virtual_server = "inner"
            }
            peap {
              tls = common
              default_eap_type = mschapv2
              copy_request_to_tunnel = yes
              use_tunneled_reply = yes
              virtual_server = "inner"
            }
            mschapv2 {
            }
          }
        }
        server default {
          listen {
            type = auth
            @LISTEN@
            port = @AUTH@
          }
          listen {
            type = acct
            @LISTEN@
            port = @ACCT@
          }
          listen {
            type = auth+acct
            @LISTEN@
            port = @TLS@
            proto = tcp
            virtual_server = default
            clients = radsec
            tls {
              private_key_file = @DIR@/server.key
              certificate_file = @DIR@/server.pem
              ca_file = @DIR@/ca.pem
              require_client_cert = yes
              tls_min_version = "1.2"
              tls_max_version = "1.2"
            }
          }
          authorize {
            files
            eap {
              ok = return
            }
            pap
          }
          authenticate {
            Auth-Type PAP {
              pap
            }
            eap
          }
          post-auth {
            @GRANTED@
          }
          accounting {
            detail
            ok
          }
        }
        server inner {
          authorize {
            mschap
            files
            eap {
              ok = return
            }
            pap
          }
          authenticate {
            Auth-Type PAP {
              pap
            }
            Auth-Type MS-CHAP {
              mschap
            }
            eap
          }
          post-auth {
            update reply {
              User-Name := &request:User-Name
            }
          }
        }

        """;
}
