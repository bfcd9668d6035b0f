using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Coordinator;

/// <summary>
/// Access points played on the wire, each with a connection of its own, all in one thread: it waits for any of the connections, takes what has come, and writes what is to be said
/// to each in one piece. Requests are repeated until they are answered and pushes acknowledged, as agents do; both are counted when they come twice.
/// </summary>
internal sealed partial class LoadSite : IDisposable
{
    private const short Readable = 1;
    private const int PortsPerAddress = 60_000;
    private const int AddressesPerNode = 16;
    private static readonly TimeSpan RepeatAfter = TimeSpan.FromSeconds(2);

    private static volatile bool _isStopped;

    private readonly Node[] _nodes;
    private readonly PollEntry[] _poll;
    private readonly byte[] _buffer = new byte[256 * 1024];
    private readonly ArrayBufferWriter<byte> _scratch = new(4_096);
    private long _nextSweep;

    /// <summary>Connects the nodes and has each greet the coordinator.</summary>
    public LoadSite(IPEndPoint coordinator, int nodes)
    {
        _nodes = new Node[nodes];
        _poll = new PollEntry[nodes];
        for (var i = 0; i < nodes; i++)
        {
            var socket = new Socket(coordinator.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _nodes[i] = new Node(socket);
            socket.Connect(coordinator);
            _poll[i] = new PollEntry { Descriptor = (int)socket.Handle, Events = Readable };
        }

        var welcomes = 0;
        for (var i = 0; i < nodes; i++)
        {
            var number = i;
            Ask(
                number,
                id => new Hello
                {
                    Id = id, Node = Name(number), Incarnation = 1, PeerEndpoint = Endpoint(number, 0) with { Port = 4_747 },
                    Addresses = [.. Enumerable.Range(0, AddressesPerNode).Select(a => Endpoint(number, a * PortsPerAddress).Address)],
                },
                _ => welcomes++);
        }

        RunUntil(() => welcomes == nodes);
    }

    /// <summary>Whether every load is to end at its next turn.</summary>
    public static bool IsStopped
    {
        get => _isStopped;
        set => _isStopped = value;
    }

    /// <summary>How many nodes there are.</summary>
    public int Nodes => _nodes.Length;

    /// <summary>Hears of every push once, after it has been acknowledged.</summary>
    public Action<int, ControlMessage> OnPush { get; set; } = static (_, _) => { };

    /// <summary>Pushes taken, each once.</summary>
    public long Pushes { get; private set; }

    /// <summary>Requests that had to be sent again, and pushes that came again.</summary>
    public long Repeated { get; private set; }

    /// <summary>A node's name.</summary>
    public static NodeId Name(int node) => new($"ap{node + 1}");

    /// <summary>A node's endpoints: neighbouring numbers are not neighbouring ports, for access points draw theirs by lot.</summary>
    public static TransportEndpoint Endpoint(int node, int serial) => new(
        IpAddress.FromV4(0x0A01_0000 + ((uint)node << 8) + 1 + (uint)(serial / PortsPerAddress % AddressesPerNode)),
        (ushort)(1_024 + (serial % PortsPerAddress * 39_119L % PortsPerAddress)));

    /// <summary>Asks the coordinator for something; the answer is passed on once.</summary>
    public void Ask(int node, Func<ulong, ControlMessage> request, Action<ControlMessage> answered)
    {
        var asker = _nodes[node];
        var message = request(++asker.LastId);
        asker.Unanswered[asker.LastId] = new Question(message, answered, Stopwatch.GetTimestamp());
        Write(asker, message);
    }

    /// <summary>Goes on until something is so.</summary>
    /// <exception cref="BenchException">It does not become so.</exception>
    public void RunUntil(Func<bool> isDone, int patienceSeconds = 30)
    {
        var began = Stopwatch.GetTimestamp();
        while (!isDone())
        {
            Turn(100);
            if (Stopwatch.GetElapsedTime(began).TotalSeconds > patienceSeconds)
            {
                throw new BenchException($"{_nodes.Sum(n => n.Unanswered.Count)} requests are unanswered after {patienceSeconds} s");
            }
        }
    }

    /// <summary>Takes what comes for a while, and asks nothing.</summary>
    public void Rest(TimeSpan time)
    {
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < time)
        {
            Turn(10);
        }
    }

    /// <summary>Writes what waits, waits for what comes, and takes it.</summary>
    private void Turn(int milliseconds)
    {
        if (_isStopped)
        {
            throw new BenchException("stopped");
        }

        Flush();
        if (Poll(_poll, (nuint)_poll.Length, milliseconds) > 0)
        {
            for (var i = 0; i < _poll.Length; i++)
            {
                if (_poll[i].Returned != 0)
                {
                    Read(i);
                }
            }

            Flush();
        }

        Sweep();
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node?.Socket.Dispose();
        }
    }

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Poll([In, Out] PollEntry[] entries, nuint count, int milliseconds);

    private void Read(int number)
    {
        var node = _nodes[number];
        var read = node.Socket.Receive(_buffer);
        if (read == 0)
        {
            throw new BenchException($"the coordinator has closed the connection of {Name(number)}");
        }

        node.Decoder.Append(_buffer.AsSpan(0, read));
        while (node.Decoder.TryRead(out var body))
        {
            if (!ControlCodec.TryDecode(body.Span, out var message, out var error))
            {
                throw new BenchException(error);
            }

            Take(number, node, message!);
        }
    }

    private void Take(int number, Node node, ControlMessage message)
    {
        switch (message)
        {
            case Welcome or Ack or ArriveReply or AttachReply or LookupReply or EapToClient:
                // A request that was repeated is answered twice.
                if (node.Unanswered.Remove(message.Id, out var question))
                {
                    question.Answered(message);
                }

                break;
            case FamChange or ArrivalUpdate or FamCleared or MappingsEnded or AdoptMappings or AddressOwners:
                Write(node, new Ack { Id = message.Id, Status = AckStatus.Ok });
                if (message.Id <= node.LastPush)
                {
                    Repeated++;
                    break;
                }

                node.LastPush = message.Id;
                Pushes++;
                OnPush(number, message);
                break;
            case Goodbye goodbye:
                throw new BenchException($"the coordinator ends the session of {Name(number)}: {goodbye.Reason}");
            default:
                throw new BenchException($"{Name(number)} was sent {message.GetType().Name}");
        }
    }

    private void Write(Node node, ControlMessage message)
    {
        if (!FrameCodec.TryWriteMessage(message, _scratch, node.Outgoing, out var reason))
        {
            throw new BenchException(reason!);
        }
    }

    private void Flush()
    {
        foreach (var node in _nodes)
        {
            var left = node.Outgoing.WrittenSpan;
            while (!left.IsEmpty)
            {
                left = left[node.Socket.Send(left)..];
            }

            node.Outgoing.ResetWrittenCount();
        }
    }

    private void Sweep()
    {
        var now = Stopwatch.GetTimestamp();
        if (now < _nextSweep)
        {
            return;
        }

        _nextSweep = now + (Stopwatch.Frequency / 4);
        foreach (var node in _nodes)
        {
            foreach (var (id, question) in node.Unanswered.Where(q => Stopwatch.GetElapsedTime(q.Value.SentAt, now) > RepeatAfter).ToList())
            {
                node.Unanswered[id] = question with { SentAt = now };
                Repeated++;
                Write(node, question.Request);
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    private readonly record struct Question(ControlMessage Request, Action<ControlMessage> Answered, long SentAt);

    private sealed class Node(Socket socket)
    {
        public Socket Socket { get; } = socket;

        public FrameDecoder Decoder { get; } = new();

        public ArrayBufferWriter<byte> Outgoing { get; } = new(64 * 1024);

        public Dictionary<ulong, Question> Unanswered { get; } = [];

        public ulong LastId { get; set; }

        public ulong LastPush { get; set; }
    }
}
