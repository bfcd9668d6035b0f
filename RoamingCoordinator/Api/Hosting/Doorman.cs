using Microsoft.AspNetCore.Connections;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>Bounds the connections, before anything is spent on one.</summary>
internal sealed class Doorman(int most)
{
    private int _open;
    private long _refused;

    /// <summary>Connections that are open.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Connections that were one too many.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    public async Task LetInAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        try
        {
            if (Interlocked.Increment(ref _open) > most)
            {
                Interlocked.Increment(ref _refused);
                connection.Abort();
                return;
            }

            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }
}
