using System.Net;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Api.Tests;

/// <summary>An agent that speaks the control protocol over a real socket and says what it is told to.</summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly ControlEnd _end;
    private ulong _id = 1;

    private FakeAgent(ControlEnd end, int number) => (_end, Number) = (end, number);

    public int Number { get; }

    public NodeId Node => new($"ap{Number}");

    public IpAddress Address => IpAddress.FromV4(0xC000_0200 + (uint)Number);

    public static MacAddress Mac(int client) => new(0x0200_0000_0000 + (ulong)client);

    public static async Task<FakeAgent> ConnectAsync(IPEndPoint server, int number, params IReadOnlyList<IpPrefix> takes)
    {
        var agent = new FakeAgent(await ControlEnd.ConnectAsync(server), number);
        await agent.SendAsync(new Hello
        {
            Id = 1, Node = agent.Node, Incarnation = (ulong)number, PeerEndpoint = new TransportEndpoint(agent.Address, 4_747), Addresses = [agent.Address], Takes = takes,
        });
        await agent.ReadAsync<Welcome>();
        return agent;
    }

    public async Task<ArriveReply> ArriveAsync(int client, int offers = 8)
    {
        await SendAsync(new Arrive
        {
            Id = ++_id,
            Client = Mac(client),
            Addresses = [IpAddress.FromV4(0x0A4D_0000 + (uint)client)],
            Offers = [.. Enumerable.Range(0, offers).Select(i => new FamOffer(TransportProtocol.Tcp, new TransportEndpoint(Address, (ushort)(20_000 + (client * 32) + i))))],
        });
        return await ReadAsync<ArriveReply>();
    }

    /// <summary>Announces TCP connections of a client, one mapping each.</summary>
    public async Task OpenAsync(int client, Epoch epoch, int connections)
    {
        await SendAsync(new Announce
        {
            Id = ++_id,
            Client = Mac(client),
            Epoch = epoch,
            Mappings =
            [
                .. Enumerable.Range(0, connections).Select(i => new MappingRecord
                {
                    Mapping = new MappingId(TransportProtocol.Tcp, new TransportEndpoint(Address, (ushort)(40_000 + (client * 32) + i))),
                    ClientEndpoint = new TransportEndpoint(IpAddress.FromV4(0x0A4D_0000 + (uint)client), (ushort)(50_000 + i)),
                    Ham = Node,
                    AnchorEpoch = epoch,
                    Revision = 1,
                    FamEndpoint = new TransportEndpoint(Address, (ushort)(40_000 + (client * 32) + i)),
                    Connections = [new ConnectionRecord(new TransportEndpoint(IpAddress.FromV4(0xCB00_710A), 443), ConnectionState.Established, 0)],
                }),
            ],
        });
        Assert.Equal(AckStatus.Ok, (await ReadAsync<Ack>()).Status);
    }

    public async Task DepartAsync(int client, Epoch epoch)
    {
        await SendAsync(new Depart { Id = ++_id, Client = Mac(client), Epoch = epoch, Idle = false });
        Assert.Equal(AckStatus.Ok, (await ReadAsync<Ack>()).Status);
    }

    public async Task HandOverAsync(int client, Epoch epoch)
    {
        await ReadAsync<FamChange>();
        await SendAsync(new HandOver { Id = ++_id, Client = Mac(client), Epoch = epoch });
    }

    /// <summary>What it is told of a client's user.</summary>
    public async Task<UserSession> SessionAsync(int client)
    {
        await SendAsync(new UserSessionQuery { Id = ++_id, Client = Mac(client) });
        return (await ReadAsync<UserSessionReply>()).Session!;
    }

    /// <summary>Lets a client in.</summary>
    public async Task UsedAsync(int client, UserSession session)
    {
        await SendAsync(new UserSessionUsed { Id = ++_id, Client = Mac(client), Session = session.Session, Proof = SessionProof.Trusted, Policy = session.Policy });
        Assert.Equal(AckStatus.Ok, (await ReadAsync<Ack>()).Status);
    }

    /// <summary>The text of a session's policy.</summary>
    public async Task<string> PolicyAsync(UserSession session)
    {
        await SendAsync(new PolicyQuery { Id = ++_id, Policy = session.Policy });
        return System.Text.Encoding.UTF8.GetString((await ReadAsync<PolicyReply>()).Text.Span);
    }

    /// <summary>All that it hears up to the next message of a kind, that one being the last.</summary>
    public async Task<IReadOnlyList<ControlMessage>> UntilAsync<T>()
        where T : ControlMessage
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var heard = new List<ControlMessage>();
        while (heard.LastOrDefault() is not T)
        {
            heard.Add(await _end.NextAsync(limit.Token) ?? throw new InvalidOperationException("the connection has ended"));
        }

        return heard;
    }

    /// <summary>Claims that are refused, each with an event: a client cannot have a group address.</summary>
    public async Task ClaimNonsenseAsync(int times)
    {
        for (var i = 0; i < times; i++)
        {
            await SendAsync(new Arrive { Id = ++_id, Client = new MacAddress(0x0100_0000_0001) });
        }
    }

    /// <summary>On how many ways it says that it rewrites packets.</summary>
    public uint WaysRewritten { get; set; }

    /// <summary>Is alive until cancelled: beats, takes and gives up addresses as it is told, and finds every node dead that it is asked about.</summary>
    public async Task LiveAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            await SendAsync(new Heartbeat { Id = ++_id, WaysRewritten = WaysRewritten });
            using var beat = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            beat.CancelAfter(50);
            try
            {
                while (await _end.NextAsync(beat.Token) is { } message)
                {
                    await (message switch
                    {
                        ProbeNode probe => SendAsync(new ProbeResult { Id = probe.Id, Alive = false }),
                        Ack => Task.CompletedTask,
                        _ => SendAsync(new Ack { Id = message.Id, Status = AckStatus.Ok }),
                    });
                }

                return;
            }
            catch (OperationCanceledException)
            {
                // Time for a heartbeat, or for the end.
            }
        }
    }

    public Task SendAsync(ControlMessage message) => _end.SendAsync(message);

    /// <summary>The next message of a kind; others are passed over.</summary>
    public Task<T> ReadAsync<T>()
        where T : ControlMessage => _end.ReadAsync<T>();

    public void Dispose() => _end.Dispose();
}
