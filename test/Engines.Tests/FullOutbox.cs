using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

/// <summary>Tests in which the outbox is full when an engine has something to say, and has room later.</summary>
public abstract class FullOutbox
{
    private protected static readonly MacAddress Other = MacAddress.Parse("02:c0:00:00:00:02");

    private readonly List<ulong> _fillers = [];

    private protected static Site Create(FamConfig? fam = null, HamConfig? ham = null) => new(fam, ham, new OutboxOptions { Capacity = 12 });

    /// <summary>Others have so much to say that the outbox takes nothing more.</summary>
    private protected void Fill(Site site)
    {
        var id = 1UL << 50;
        while (site.Outbox.Send(new Lookup { Id = id + (ulong)_fillers.Count, Client = Other, Protocol = TransportProtocol.Udp, ClientEndpoint = Site.OtherPeer, Server = Site.Server }, site.Now))
        {
            _fillers.Add(id + (ulong)_fillers.Count);
        }

        site.Said.RemoveAll(m => m is Lookup { Id: >= 1UL << 50 });
    }

    /// <summary>They have been answered; the engines get time to use the room. What they then say is not answered yet.</summary>
    private protected void Drain(Site site)
    {
        foreach (var id in _fillers)
        {
            site.Outbox.Complete(id);
        }

        _fillers.Clear();
        site.Wait(60);
        site.Said.RemoveAll(m => m is Lookup { Id: >= 1UL << 50 });
    }

    private protected static void AnswerAll(Site site)
    {
        foreach (var message in site.Said.Where(m => site.Outbox.Contains(m.Id)).DistinctBy(m => m.Id).ToList())
        {
            site.Tell(new Ack { Id = message.Id, Status = AckStatus.Ok });
        }
    }
}
