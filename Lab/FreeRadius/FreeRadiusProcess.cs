using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Masquerade.Lab.FreeRadius;

/// <summary>
/// A real FreeRADIUS of the laboratory's own: its configuration, secret and certificates are made for it in a scratch directory, and it is ended by its process id. EAP-TLS, PEAP-MSCHAPv2, TTLS and EAP-MD5; RADIUS over
/// UDP and TLS. Certificates: <c>ca.pem</c>, <c>server.pem</c> (for <c>radius.test</c>), and <c>USER.pem</c> with <c>USER.key</c> for each user.
/// </summary>
public sealed class FreeRadiusProcess : IDisposable
{
    private readonly FreeRadiusOptions _options;
    private readonly StringBuilder _log = new();
    private Process? _process;

    /// <summary>Starts it and waits until it is ready.</summary>
    public FreeRadiusProcess(FreeRadiusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        Directory = System.IO.Directory.CreateTempSubdirectory("masq-radius-").FullName;
        AuthEndPoint = new IPEndPoint(options.Address, options.AuthPort != 0 ? options.AuthPort : FreePort(options.Address, SocketType.Dgram));
        AccountingEndPoint = new IPEndPoint(options.Address, options.AccountingPort != 0 ? options.AccountingPort : FreePort(options.Address, SocketType.Dgram));
        TlsEndPoint = new IPEndPoint(options.Address, options.TlsPort != 0 ? options.TlsPort : FreePort(options.Address, SocketType.Stream));
        File.WriteAllText(Path.Combine(Directory, "ca.pem"), Certificates.AuthorityPem + "\n");
        foreach (var name in options.Users.Select(u => u.Name))
        {
            Certificates.Write(Directory, name);
        }

        using (var server = options.RsaKey ? Certificates.IssueRsa(ServerName) : Certificates.Issue(ServerName))
        {
            RadiusCertificates.Write(Directory, "server", server);
        }

        FreeRadiusConfiguration.Write(this, options);
        Start();
    }

    /// <summary>The name in the server's certificate.</summary>
    public const string ServerName = "radius.test";

    /// <summary>Where its files are; removed at the end.</summary>
    public string Directory { get; }

    /// <summary>What it shares with its clients over UDP.</summary>
    public string Secret { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Its certification authority.</summary>
    public RadiusCertificates Certificates { get; } = new();

    /// <summary>Where it is asked about users.</summary>
    public IPEndPoint AuthEndPoint { get; }

    /// <summary>Where it is told what they use.</summary>
    public IPEndPoint AccountingEndPoint { get; }

    /// <summary>Where it does both over TLS.</summary>
    public IPEndPoint TlsEndPoint { get; }

    /// <summary>Its process id, where it is started without a prefix or by one that gives its own on.</summary>
    public int ProcessId => _process?.Id ?? 0;

    /// <summary>What it has said so far.</summary>
    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>What accounting has recorded, in the form of its detail files.</summary>
    public string Accounting => File.Exists(DetailFile) ? File.ReadAllText(DetailFile) : string.Empty;

    /// <summary>The master session keys of those whom it has let in, in order; none unless <see cref="FreeRadiusOptions.KeepsGrants"/>.</summary>
    public IReadOnlyList<byte[]> MasterKeys
    {
        get
        {
            var path = Path.Combine(Directory, "granted");
            byte[][] Of(string name) => [.. (File.Exists(path) ? File.ReadLines(path) : []).Select(l => l.Trim()).Where(l => l.StartsWith($"MS-MPPE-{name}-Key = 0x", StringComparison.Ordinal)).Select(l => Convert.FromHexString(l[(l.IndexOf("0x", StringComparison.Ordinal) + 2)..]))];

            // RFC 5216 section 2.3: the first half is what the authenticator receives with.
            return [.. Of("Recv").Zip(Of("Send"), (receive, send) => (byte[])[.. receive, .. send])];
        }
    }

    private string DetailFile => Path.Combine(Directory, "detail");

    /// <summary>Starts it again after <see cref="Kill"/>, on the same ports with the same files.</summary>
    public void Start()
    {
        string[] command = [.. _options.Prefix, "freeradius", "-f", "-d", Directory, "-l", "stdout"];
        var start = new ProcessStartInfo(command[0], command[1..]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        var ready = new ManualResetEventSlim();
        var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Heard(line.Data, ready);
        process.ErrorDataReceived += (_, line) => Heard(line.Data, ready);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process = process;
        if (!ready.Wait(TimeSpan.FromSeconds(30)) || process.HasExited)
        {
            Kill();
            throw new LabException("freeradius does not start:\n" + Log);
        }
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        if (_process is { } process)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
            _process = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        Certificates.Dispose();
        if (System.IO.Directory.Exists(Directory))
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }

    private static int FreePort(IPAddress address, SocketType type)
    {
        using var probe = new Socket(address.AddressFamily, type, type == SocketType.Dgram ? ProtocolType.Udp : ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private void Heard(string? line, ManualResetEventSlim ready)
    {
        if (line is null)
        {
            // It has ended; whoever waits for it to be ready looks whether it runs.
            ready.Set();
            return;
        }

        lock (_log)
        {
            _log.AppendLine(line);
        }

        if (line.Contains("Ready to process requests", StringComparison.Ordinal))
        {
            ready.Set();
        }
    }
}
