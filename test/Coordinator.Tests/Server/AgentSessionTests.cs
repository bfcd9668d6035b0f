using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Server;

namespace Masquerade.Coordinator.Tests.Server;

public sealed class AgentSessionTests
{
    /// <summary>What the agent would have to refuse is not sent, but reported with the reason; what comes behind it goes.</summary>
    [Fact]
    public async Task A_message_beyond_the_limits_is_reported_and_harms_no_other()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var agent = new TcpClient();
        await agent.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        var inputs = Channel.CreateUnbounded<SessionInput>();
        var unsent = Channel.CreateUnbounded<string>();
        var accepted = await listener.AcceptSocketAsync();
        var session = new AgentSession(1, "somebody", new NetworkStream(accepted, ownsSocket: true), inputs.Writer, reason => Assert.True(unsent.Writer.TryWrite(reason)))
        {
            OnRefused = (refusal, reason) => Assert.Fail($"{refusal}: {reason}"),
        };
        var running = session.RunAsync();
        session.Send(new MappingsEnded { Id = 4, Client = default, Epoch = default, Mappings = new MappingId[ControlLimits.MaxBareMappings + 1] });
        session.Send(new Ack { Id = 5, Status = AckStatus.Ok });
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        using var end = new ControlEnd(agent.GetStream());
        Assert.Equal(5UL, Assert.IsType<Ack>(await end.NextAsync(limit.Token)).Id);
        Assert.Equal($"somebody: MappingsEnded 4 was not sent: {ControlLimits.MaxBareMappings + 1} mappings, at most {ControlLimits.MaxBareMappings} are allowed", await unsent.Reader.ReadAsync(limit.Token));
        agent.Close();
        await running.WaitAsync(limit.Token);
    }
}
