using System.Globalization;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Engines.Tests.Golden;

/// <summary>What one group of packets goes through: which endpoint becomes which, and how many hops it costs.</summary>
internal sealed record GoldenTask(string Operation, TransportProtocol Protocol, TransportEndpoint From, TransportEndpoint To, TransportEndpoint Server, int Hops, int Count)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Operation} {Protocol.ToString().ToLowerInvariant()} {From} {To} {Server} {Hops} {Count}");
}

/// <summary>What there is to know about a packet of a run.</summary>
/// <param name="Task">Its task's index.</param>
/// <param name="Operation">What was done with it.</param>
/// <param name="Protocol">The protocol whose checksum tshark verifies; <c>udp-unsummed</c> has none.</param>
/// <param name="IsV6">Its family.</param>
/// <param name="IsCut">An ICMP error that carries only the beginning of a packet.</param>
internal sealed record GoldenPacket(int Task, string Operation, string Protocol, bool IsV6, bool IsCut)
{
    /// <summary>A UDP datagram whose sender has made no checksum (RFC 768).</summary>
    public bool IsUnsummed => Protocol is "udp-unsummed";
}

/// <summary>One golden capture: scapy makes packets for the tasks, the test rewrites them, scapy and tshark judge the result.</summary>
internal sealed class GoldenRun : IDisposable
{
    private const string Interpreter = "/usr/bin/python3";
    private const string Shark = "/usr/bin/tshark";
    private static readonly string Script = Path.Combine(AppContext.BaseDirectory, "Golden", "golden.py");

    private readonly ITestOutputHelper _output;
    private readonly string _folder = Directory.CreateTempSubdirectory("masq-golden-").FullName;
    private bool _isDone;

    public GoldenRun(ITestOutputHelper output, int seed, IReadOnlyList<GoldenTask> tasks)
    {
        _output = output;
        Tasks = tasks;
        File.WriteAllLines(Path.Combine(_folder, "tasks.txt"), tasks.Select(t => t.ToString()));
        Run(Interpreter, "apt-get install python3-scapy", [Script, "make", seed.ToString(CultureInfo.InvariantCulture), _folder]);
        Packets = [.. File.ReadLines(Path.Combine(_folder, "index.txt")).Select(line => line.Split(' ')).Select(
            f => new GoldenPacket(int.Parse(f[0], CultureInfo.InvariantCulture), f[1], f[2], f[3] is "6", f[4] is "cut"))];
        Frames = Capture.Read(Path.Combine(_folder, "in.pcap"));
        Assert.Equal(Packets.Count, Frames.Count);
        Assert.Equal(tasks.Sum(t => t.Count), Frames.Count);
    }

    public IReadOnlyList<GoldenTask> Tasks { get; }

    public IReadOnlyList<GoldenPacket> Packets { get; }

    /// <summary>The packets before, as whole frames.</summary>
    public IReadOnlyList<byte[]> Frames { get; }

    /// <summary>What scapy finds wrong: packet number and reason.</summary>
    public Dictionary<int, string> AskScapy(IReadOnlyList<byte[]> frames)
    {
        var lines = Run(Interpreter, "apt-get install python3-scapy", [Script, "judge", _folder, Save("scapy.pcap", frames)]);
        Assert.Equal($"judged {frames.Count}", lines[^1]);
        return lines[..^1].Select(line => line.Split(' ', 3)).ToDictionary(f => int.Parse(f[1], CultureInfo.InvariantCulture), f => f[2]);
    }

    /// <summary>What tshark finds wrong, with every checksum verified: packet number and reason.</summary>
    public Dictionary<int, string> AskTshark(IReadOnlyList<byte[]> frames)
    {
        string[] fields = ["frame.number", "_ws.malformed", "_ws.expert.severity", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status"];
        string[] arguments =
        [
            "-n", "-r", Save("tshark.pcap", frames),
            "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.analyze_sequence_numbers:FALSE",

            // Payloads are random octets: on a well-known port they would be called malformed DNS and the like.
            "-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data",
            "-T", "fields", "-E", "separator=;", "-E", "occurrence=a", .. fields.SelectMany(f => (string[])["-e", f]),
        ];
        var lines = Run(Shark, "apt-get install tshark", arguments);
        Assert.Equal(frames.Count, lines.Length);
        var wrong = new Dictionary<int, string>();
        for (var i = 0; i < lines.Length; i++)
        {
            var values = fields.Zip(lines[i].Split(';')).ToDictionary(p => p.First, p => p.Second);
            Assert.Equal(i + 1, int.Parse(values["frame.number"], CultureInfo.InvariantCulture));
            if (Complaint(Packets[i], values) is { } complaint)
            {
                wrong.Add(i, complaint);
            }
        }

        return wrong;
    }

    /// <summary>The test has passed: nobody will want to look at the captures.</summary>
    public void Done() => _isDone = true;

    public void Dispose()
    {
        if (_isDone)
        {
            Directory.Delete(_folder, recursive: true);
        }
        else
        {
            _output.WriteLine($"the captures are in {_folder}");
        }
    }

    /// <summary>
    /// Status 1 is good, 0 bad, 2 unverified, 3 not there. "Not bad" would be no verdict: each checksum that must be there has to be called good.
    /// </summary>
    private static string? Complaint(GoldenPacket packet, Dictionary<string, string> values)
    {
        const string ErrorSeverity = "8388608";
        var isError = packet.Operation.StartsWith("error", StringComparison.Ordinal);
        if (values["_ws.malformed"].Length > 0)
        {
            return "malformed";
        }

        // An error carries a second IP header.
        var ip = packet.IsV6 ? "" : isError ? "1,1" : "1";
        if (!values["ip.checksum.status"].Equals(ip, StringComparison.Ordinal))
        {
            return $"IP checksum {values["ip.checksum.status"]}";
        }

        var (field, wanted) = packet.IsUnsummed ? ("udp", "3") : (packet.Protocol, "1");
        if (!values[$"{field}.checksum.status"].Split(',')[0].Equals(wanted, StringComparison.Ordinal))
        {
            return $"{field} checksum {values[$"{field}.checksum.status"]}";
        }

        // Of a packet that an error has cut off tshark computes a checksum over what is left and calls it bad; scapy judges its fields.
        return !packet.IsCut && values["_ws.expert.severity"].Split(',').Contains(ErrorSeverity) ? "an error in the packet or in the one that it carries" : null;
    }

    private string Save(string name, IReadOnlyList<byte[]> frames)
    {
        var path = Path.Combine(_folder, name);
        Capture.Write(path, frames);
        return path;
    }

    private string[] Run(string program, string remedy, string[] arguments)
    {
        Assert.True(File.Exists(program), $"{program} is missing: {remedy}");
        var (code, answer, said) = OutsideProgram.Run(program, arguments);
        Assert.True(code == 0, $"{program}: {remedy}\n{said}");
        return answer.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
