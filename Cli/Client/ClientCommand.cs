using System.CommandLine;
using System.Runtime.InteropServices;
using Masquerade.Client;
using Masquerade.Client.Run;

namespace Masquerade.Cli.Client;

/// <summary><c>masq client</c>: a client whose link to access points is protected.</summary>
internal static class ClientCommand
{
    private const int Good = 0;
    private const int CannotDo = 1;
    private const int SigUsr1 = 10;

    public static Command Create()
    {
        var file = new Option<string?>("--config") { Description = "A JSON file with these options (interface, identity, anonymous, method, ca, serverName, certificate, key, passwordFile, tap, plainOk); what the command line says counts." };
        var device = new Option<string?>("--interface") { Description = "The interface towards the access points. It should have no IP address: addresses belong on the TAP interface." };
        var identity = new Option<string?>("--identity") { Description = "The user." };
        var anonymous = new Option<string?>("--anonymous") { Description = "What is said in the clear instead of the user, such as anonymous@example.org (with ttls-...)." };
        var method = new Option<string?>("--method") { Description = "tls (default), ttls-pap or ttls-mschapv2." };
        var authority = new Option<string?>("--ca") { Description = "PEM file with the authority of the authentication server. The system's authorities are not believed." };
        var server = new Option<string?>("--server-name") { Description = "The server's DNS name as its certificate has it, or a domain with a dot in front: .example.org." };
        var certificate = new Option<string?>("--certificate") { Description = "PEM file with the user's certificate (with tls)." };
        var key = new Option<string?>("--key") { Description = "PEM file with the key to it." };
        var password = new Option<string?>("--password-file") { Description = $"A file that only you can read, whose first line is the password; else it is taken from {ClientSettings.PasswordVariable}." };
        var tap = new Option<string?>("--tap") { Description = "The TAP interface that is made (default masq0). It goes with the program." };
        var plain = new Option<bool?>("--plain-ok") { Description = "Where no access point offers to protect the link, be an ordinary supplicant: the interface is used as it is." };
        var json = new Option<bool>("--json") { Description = "Print each event as a line of JSON." };
        method.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } value && !ClientFile.TryMethod(value, out _))
            {
                result.AddError("--method must be tls, ttls-pap or ttls-mschapv2.");
            }
        });
        var command = new Command(
            "client",
            """
            Be a client whose link is protected (Linux; needs root): authenticate once, and walk between access points by a handshake without EAP.
            SIGUSR1 prints the counters, Ctrl-C logs off.

            Examples:
              masq client --interface eth0 --identity ada --ca ca.pem --server-name radius.example.org --certificate ada.pem --key ada.key
              masq client --interface eth0 --identity ada --anonymous anonymous@example.org --method ttls-mschapv2 --password-file ~/.masq-password --ca ca.pem --server-name .example.org --json
              then: ip addr add 10.0.0.7/24 dev masq0, or dhclient masq0
            """)
        {
            file, device, identity, anonymous, method, authority, server, certificate, key, password, tap, plain, json,
        };
        command.SetAction(parse =>
        {
            try
            {
                var settings = parse.GetValue(file) is { } path ? ClientFile.Read(path) : new ClientSettings();
                settings = settings with
                {
                    Interface = parse.GetValue(device) ?? settings.Interface,
                    Identity = parse.GetValue(identity) ?? settings.Identity,
                    Anonymous = parse.GetValue(anonymous) ?? settings.Anonymous,
                    Method = ClientFile.TryMethod(parse.GetValue(method), out var chosen) ? chosen : settings.Method,
                    AuthorityFile = parse.GetValue(authority) ?? settings.AuthorityFile,
                    ServerName = parse.GetValue(server) ?? settings.ServerName,
                    CertificateFile = parse.GetValue(certificate) ?? settings.CertificateFile,
                    KeyFile = parse.GetValue(key) ?? settings.KeyFile,
                    PasswordFile = parse.GetValue(password) ?? settings.PasswordFile,
                    Tap = parse.GetValue(tap) ?? settings.Tap,
                    PlainIsGood = parse.GetValue(plain) ?? settings.PlainIsGood,
                };
                Run(settings, parse.GetValue(json));
                return Good;
            }
            catch (ClientException e)
            {
                Console.Error.WriteLine($"masq client: {e.Message}");
                return CannotDo;
            }
        });
        return command;
    }

    private static void Run(ClientSettings settings, bool json)
    {
        using var run = new ClientRun(settings, Console.Out, json);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var ended = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var asked = PosixSignalRegistration.Create((PosixSignal)SigUsr1, context =>
        {
            context.Cancel = true;
            run.AskStatus();
        });
        run.Run();

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            run.Stop();
        }
    }
}
