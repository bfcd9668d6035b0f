using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>Debian's wpa_supplicant on a wire to the authenticator, with a server that speaks EAP-MD5: the one method that takes no more than a hash.</summary>
[Trait("Req", "A-23")]
public sealed class SupplicantTests : IAuthenticatorOutput, IDisposable
{
    private const string Supplicant = "/usr/sbin/wpa_supplicant";
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");

    private readonly TapLink _link = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("mqeap").FullName;
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
    private readonly Queue<(ulong Exchange, byte[] Eap)> _asked = [];
    private readonly List<string> _ports = [];
    private readonly byte[] _challenge = RandomNumberGenerator.GetBytes(16);
    private readonly StringBuilder _said = new();
    private AuthenticatorTable? _table;
    private Process? _process;
    private string? _identity;

    [Fact]
    public void A_supplicant_authenticates_again_and_again_logs_off_and_comes_back()
    {
        var table = Begin(new AuthenticatorConfig { KeyedPort = false }, _password);
        RunUntil(() => _ports.Count == 1);
        Assert.Equal("+ Authenticated", _ports[0]);
        Assert.Equal("walker", _identity);

        Assert.True(table.Reauthenticate(Bench.Alice, Now));
        RunUntil(() => _ports.Count == 2);
        Assert.Equal("+ Reauthenticated", _ports[1]);

        Ask("logoff");
        RunUntil(() => _ports.Count == 3);
        Assert.Equal("- Logoff", _ports[2]);
        Assert.Equal(0, table.Count);

        Ask("logon");
        RunUntil(() => _ports.Count == 4);
        Assert.Equal("+ Authenticated", _ports[3]);

        // It has heard the Success of it all, too.
        var status = Ask("status");
        Assert.Contains("Supplicant PAE state=AUTHENTICATED", status, StringComparison.Ordinal);
        Assert.Equal(0, table.Stats[AuthenticatorDrop.InvalidEap] + table.Stats[AuthenticatorDrop.InvalidEapol]);
    }

    [Fact]
    public void A_supplicant_with_a_wrong_password_is_held()
    {
        var table = Begin(new AuthenticatorConfig { KeyedPort = false }, "wrong");
        RunUntil(() => _ports.Count == 1);
        Assert.Equal("- Rejected", _ports[0]);
        Assert.Equal(PaeState.Held, table.Find(Bench.Alice)!.PaeState);
    }

    [Fact]
    public void A_supplicant_that_is_offered_a_method_without_a_key_on_a_keyed_port_is_told_no()
    {
        Begin(new AuthenticatorConfig { KeyedPort = true }, _password);
        RunUntil(() => _ports.Count == 1);
        Assert.Equal("- MethodWithoutKey", _ports[0]);
        RunUntil(() => _said.ToString().Contains("CTRL-EVENT-EAP-FAILURE", StringComparison.Ordinal));
    }

    [Fact]
    public void A_supplicant_gets_in_where_there_is_no_place_for_a_port_before_it_has_answered()
    {
        var table = Begin(new AuthenticatorConfig { KeyedPort = false, MaxUnanswered = 1 }, _password);
        Assert.True(table.Begin(new MacAddress(0x0200_0000_0077), Now));
        RunUntil(() => _ports.Count == 1);
        Assert.Equal("+ Authenticated", _ports[0]);
        Assert.True(table.Stats.AnsweredWithoutPort > 0);
    }

    void IAuthenticatorOutput.SendEapol(MacAddress client, ReadOnlySpan<byte> pdu)
    {
        if (client == Bench.Alice)
        {
            var frame = new byte[Math.Max(60, EthernetHeader.Length + pdu.Length)];
            EthernetHeader.Write(frame, client, Own, EtherType.Eapol);
            pdu.CopyTo(frame.AsSpan(EthernetHeader.Length));
            _link.Write(frame);
        }
    }

    void IAuthenticatorOutput.AskServer(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, ReadOnlySpan<byte> identity)
    {
        _asked.Enqueue((exchange, eap.ToArray()));
        _identity = Encoding.UTF8.GetString(identity);
    }

    void IAuthenticatorOutput.PortAuthorised(MacAddress client, ulong exchange, AuthorisedReason reason) => _ports.Add($"+ {reason}");

    void IAuthenticatorOutput.PortUnauthorised(MacAddress client, UnauthorisedReason reason) => _ports.Add($"- {reason}");

    public void Dispose()
    {
        if (_process is { } process)
        {
            if (!process.HasExited)
            {
                process.Kill();
            }

            process.WaitForExit();
            process.Dispose();
        }

        _link.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static Instant Now => new(Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency));

    private AuthenticatorTable Begin(AuthenticatorConfig config, string password)
    {
        Assert.True(File.Exists(Supplicant), $"{Supplicant} is missing: apt-get install wpasupplicant");
        var settings = Path.Combine(_folder, "supplicant.conf");
        File.WriteAllText(settings, $$"""
            ctrl_interface={{_folder}}/control
            ap_scan=0
            eapol_version=2
            network={
                key_mgmt=IEEE8021X
                eapol_flags=0
                eap=MD5
                identity="walker"
                password="{{password}}"
            }
            """);
        _table = new AuthenticatorTable(config, this, 0xC0FFEE, 5_000, Now);
        _process = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", _link.Namespace, Supplicant, "-D", "wired", "-i", _link.Device, "-c", settings])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        return _table;
    }

    private void Note(string? line)
    {
        lock (_said)
        {
            _said.AppendLine(line);
        }
    }

    private void RunUntil(Func<bool> condition)
    {
        var frame = new byte[2_048];
        var patience = Stopwatch.StartNew();
        while (true)
        {
            lock (_said)
            {
                if (condition())
                {
                    return;
                }

                Assert.True(patience.Elapsed < TimeSpan.FromSeconds(90) && !_process!.HasExited, $"{string.Join(", ", _ports)}; the supplicant says: {_said}");
            }

            var length = _link.Read(frame, 50);
            if (EthernetHeader.TryParse(frame.AsSpan(0, length), out var header) && header.Type == EtherType.Eapol)
            {
                _table!.OnEapol(header.Source, header.Payload, Now);
            }

            while (_asked.TryDequeue(out var question))
            {
                _table!.OnServerAnswer(Bench.Alice, Answer(question.Exchange, question.Eap), Now);
            }

            _table!.Advance(Now);
        }
    }

    private ServerAnswer Answer(ulong exchange, byte[] response)
    {
        Assert.True(EapPacket.TryParse(response, out var eap));
        if (eap.Type == EapType.Identity)
        {
            return new ServerAnswer { Exchange = exchange, Outcome = EapOutcome.Continue, Eap = Bench.Request((byte)(eap.Identifier + 1), EapType.Md5Challenge, [16, .. _challenge]) };
        }

#pragma warning disable CA5351 // RFC 1994: the method is what it is.
        var expected = MD5.HashData([eap.Identifier, .. Encoding.ASCII.GetBytes(_password), .. _challenge]);
#pragma warning restore CA5351
        var isRight = eap.Type == EapType.Md5Challenge && eap.TypeData.Length >= 17 && eap.TypeData.Slice(1, 16).SequenceEqual(expected);
        return new ServerAnswer { Exchange = exchange, Outcome = isRight ? EapOutcome.Accept : EapOutcome.Reject };
    }

    private string Ask(string command)
    {
        var (code, said, errors) = OutsideProgram.Run("/usr/sbin/wpa_cli", ["-p", $"{_folder}/control", "-i", _link.Device, command]);
        Assert.True(code == 0, errors);
        return said;
    }
}
