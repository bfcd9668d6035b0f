using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Api.Observing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary>
/// <c>/v1/events</c>: what happens, as server-sent events (HTML Living Standard section 9.2). Every stream reads the ring at its own pace; who falls behind the ring, or takes
/// nothing for too long, loses the stream and nobody else notices.
/// </summary>
internal sealed class EventRoute(Site site, int maxStreams, TimeSpan patience, CancellationToken stop)
{
    private const int Batch = 128;

    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);
    private static readonly string[] Types =
        ["apUp", "apDown", "apReplaced", "apBehind", "apFailed", "apDrained", "apUndrained", "addressMoved", "clientArrived", "clientFound", "clientRoamed", "clientReturned", "clientLeft", "claimRefused", "userAuthenticated", "userServed", "userSessionChanged", "userSessionEnded", "guestAdmitted", "guestRevoked", "placementLoop", "storeTrouble", "storeForgot"];

    private int _open;
    private long _overrun;
    private long _stalled;
    private long _refused;

    /// <summary>Streams that are open.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Streams that fell behind the events that are kept.</summary>
    public long Overrun => Interlocked.Read(ref _overrun);

    /// <summary>Streams that took nothing for too long.</summary>
    public long Stalled => Interlocked.Read(ref _stalled);

    /// <summary>Streams that were one too many.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    public async Task ServeAsync(HttpContext context)
    {
        var query = new Query(context.Request, "client", "type", "since");
        var (clients, types) = (query.Clients("client"), query.Several("type"));
        if (types.FirstOrDefault(t => !Types.Contains(t, StringComparer.Ordinal)) is not null)
        {
            throw Query.Bad($"a type is one of {string.Join(", ", Types)}");
        }

        var from = query.One("since") ?? context.Request.Headers["Last-Event-ID"].FirstOrDefault();
        var (after, lost) = Begin(from);
        if (Interlocked.Increment(ref _open) > maxStreams)
        {
            Interlocked.Decrement(ref _open);
            Interlocked.Increment(ref _refused);
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, $"{maxStreams} streams are open");
        }

        try
        {
            await StreamAsync(context, after, lost, e => (clients.Count == 0 || clients.Contains(e.Client)) && (types.Count == 0 || types.Contains(e.Type, StringComparer.Ordinal))).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    /// <summary>Where a stream begins: now, or behind the event that the reader names; and whether there are events between that are not to be had any more.</summary>
    private (long After, string? Lost) Begin(string? from)
    {
        var ring = site.Chronicle.Ring;
        if (string.IsNullOrEmpty(from))
        {
            return (ring.Last, null);
        }

        var dot = from.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0 || !long.TryParse(from.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
        {
            throw Query.Bad("since and Last-Event-ID are what an event's id or an answer's asOf says");
        }

        if (!from.AsSpan(0, dot).SequenceEqual(site.Life) || sequence > ring.Last)
        {
            return (ring.Oldest - 1, "the coordinator has been restarted since");
        }

        return sequence + 1 < ring.Oldest ? (ring.Oldest - 1, $"only the latest {ring.Last - ring.Oldest + 1} events are kept") : (sequence, null);
    }

    private async Task StreamAsync(HttpContext context, long after, string? lost, Func<SiteEvent, bool> wanted)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
        {
            // A stream that has nothing to say is slow by nature; its patience is its own.
            rate.MinDataRate = null;
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        var text = new ArrayBufferWriter<byte>(4096);
        var batch = new SiteEvent[Batch];
        Write(text, "retry: 2000\n\n");
        if (lost is not null)
        {
            Lost(text, after, lost);
        }

        try
        {
            while (true)
            {
                if (text.WrittenCount > 0 && !await SendAsync(context, text, ended.Token).ConfigureAwait(false))
                {
                    return;
                }

                switch (site.Chronicle.Ring.Read(after, batch, out var count))
                {
                    case RingState.Overrun:
                        Interlocked.Increment(ref _overrun);
                        Lost(text, site.Chronicle.Ring.Oldest - 1, "the stream was read too slowly");
                        await SendAsync(context, text, ended.Token).ConfigureAwait(false);
                        return;
                    case RingState.Events:
                        after = batch[count - 1].Sequence;
                        Append(text, batch.AsSpan(0, count), wanted);
                        break;
                    default:
                        await NewsAsync(after, text, ended.Token).ConfigureAwait(false);
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The reader has gone, or the coordinator stops.
        }
    }

    private async Task NewsAsync(long after, ArrayBufferWriter<byte> text, CancellationToken cancel)
    {
        try
        {
            await site.Chronicle.Ring.WaitAsync(after).WaitAsync(KeepAlive, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // So that both ends, and what is between them, see that the other is there.
            Write(text, ":\n\n");
        }
    }

    /// <summary>Sends what is written; false if the reader did not take it in time.</summary>
    private async Task<bool> SendAsync(HttpContext context, ArrayBufferWriter<byte> text, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(patience);
        try
        {
            await context.Response.BodyWriter.WriteAsync(text.WrittenMemory, limit.Token).ConfigureAwait(false);
            text.ResetWrittenCount();
            return true;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            Interlocked.Increment(ref _stalled);
            context.Abort();
            return false;
        }
    }

    private void Append(ArrayBufferWriter<byte> text, ReadOnlySpan<SiteEvent> events, Func<SiteEvent, bool> wanted)
    {
        foreach (var happened in events)
        {
            if (wanted(happened))
            {
                Write(text, $"id: {site.AsOf(happened.Sequence)}\nevent: {happened.Type}\ndata: ");
                using (var json = new Utf8JsonWriter(text))
                {
                    Documents.Event(json, happened);
                }

                Write(text, "\n\n");
            }
        }
    }

    private void Lost(ArrayBufferWriter<byte> text, long after, string reason)
    {
        // With an id, so that a reader that comes back does not hear it again.
        Write(text, $"id: {site.AsOf(after)}\nevent: lost\ndata: ");
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("type", "lost");
            json.WriteString("reason", reason);
            json.WriteEndObject();
        }

        Write(text, "\n\n");
    }

    private static void Write(ArrayBufferWriter<byte> into, string text) => Encoding.UTF8.GetBytes(text, into);
}
